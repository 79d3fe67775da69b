"""The Debian package in a clean system: ``python3 dev.py package``."""
