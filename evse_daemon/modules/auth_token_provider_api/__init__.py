"""The module class auth_token_provider_API."""
