"""The module class evse_manager_consumer_API."""
