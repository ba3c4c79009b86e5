"""Calls to language models: what a client may ask, the most it can cost, and the price of what it used.

Pure data and functions. It knows the fields of a request and no provider's answer.
"""
