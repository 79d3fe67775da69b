"""DummyTokenValidator: gives every token the same answer."""
