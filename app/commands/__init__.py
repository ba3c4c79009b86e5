"""The commands of `phaya`, one story a module. They import what they need when they run: help must come at once."""
