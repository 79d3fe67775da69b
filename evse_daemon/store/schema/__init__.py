"""The schema, one SQL file for each version: 001.sql makes version 1 of an empty file, 002.sql version 2 of version 1."""
