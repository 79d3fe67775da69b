"""The module class error_history_consumer_API."""
