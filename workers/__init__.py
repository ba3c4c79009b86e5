"""The ARQ workers: thin. What they do is in app.services; what they are told is only that there is something to do."""
