"""The bundle for whoever is asked to help."""
