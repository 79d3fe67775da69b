"""The module class PersistentStore."""
