"""`phaya bench`: how fast a stack is, from a load process of its own, beside a hello-world route of the same server."""
