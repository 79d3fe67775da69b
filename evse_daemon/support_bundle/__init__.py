"""One file with what somebody from outside needs to help: ``evse-daemon support-bundle`` (docs/operate.md)."""
