"""Makes real media: files that decode, of the asked size and length."""
