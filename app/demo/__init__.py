"""`phaya demo`: the main job before the reader's eyes, over HTTP like any other client.

Knows the contract and nothing of the rest.
"""
