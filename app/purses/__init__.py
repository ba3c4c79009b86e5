"""What our accounts with providers hold, as the providers told it, and how that changed. It knows nothing of jobs."""
