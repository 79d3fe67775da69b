"""The station on MQTT: topics, dialects, connections, the gateway between bus and broker, brokers for a laptop."""
