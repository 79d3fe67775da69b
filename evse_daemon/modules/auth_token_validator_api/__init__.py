"""The module class auth_token_validator_API."""
