"""The operator's REST: accounts, keys, credits, jobs, rates, and the record of what was done. For keys with `admin`.

Every list is read newest first in pages: `limit` rows, and `next` is the `after` of the page that follows.
"""
