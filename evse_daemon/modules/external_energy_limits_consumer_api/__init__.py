"""The module class external_energy_limits_consumer_API."""
