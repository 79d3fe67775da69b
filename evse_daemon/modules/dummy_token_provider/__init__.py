"""DummyTokenProvider: presents one token for each session."""
