"""The log: where it goes, and how much of it there is."""
