"""The module class ErrorHistory."""
