"""Stand-in upstreams: KIE.ai, OpenRouter, Gemini speech and a Whisper host over their own wire protocols.

They make real media and keep books of their own. They know nothing of the broker and import nothing of it: the two meet
over HTTP alone. Start reading at `app.py`; what they can be told to do wrong is in `directives.py`, what they remember
in `books.py`.
"""
