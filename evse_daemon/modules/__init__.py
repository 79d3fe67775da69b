"""The module classes of the daemon, one folder each; drivers and simulators have packages of their own."""
