"""A car that plugs in, charges and leaves as a script tells it."""
