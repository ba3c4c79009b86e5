"""Phaya: an AI media broker. The map of this package is in the README."""
