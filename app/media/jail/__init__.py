"""The jail of local tools, seen from inside: a keeper process that limits, confines and watches one command.

Standard library alone, and little of it: a keeper starts with every tool. `app.media.process` is the side that we use.
"""
