"""Files of strangers: fetched by one guard, read by children in a jail, worked on by FFmpeg.

Owns every byte that comes from an address or a client before it may enter the store, and every local tool.
Knows nothing of jobs, credits, the database or HTTP routes.
"""
