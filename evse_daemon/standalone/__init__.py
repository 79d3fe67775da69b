"""Modules of other processes: this daemon as their manager, and as a module of somebody else's (docs/standalone.md)."""
