"""Modules of other processes, and ours in them."""
