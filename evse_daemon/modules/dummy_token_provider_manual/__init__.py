"""DummyTokenProviderManual: presents the tokens that MQTT clients send."""
