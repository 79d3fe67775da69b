"""The Prometheus endpoint (docs/metrics.md); without ``daemon.metrics`` in the configuration only names.py is loaded."""
