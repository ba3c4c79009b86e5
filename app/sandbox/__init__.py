"""Stand-in upstreams: KIE.ai and OpenRouter over their own wire protocols, with real media and books of their own.

It knows nothing of the broker and imports nothing of it; the two meet over HTTP alone. Start reading at `app.py`;
what it can be told to do wrong is in `directives.py`, what it remembers in `books.py`.
"""
