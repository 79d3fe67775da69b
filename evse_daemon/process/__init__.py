"""A station as a process: on a broker until it is told to end, under systemd, with a configuration that is read again."""
