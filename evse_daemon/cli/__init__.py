"""The command evse-daemon."""
