"""Auth: who may charge where."""
