"""KIE.ai: the jobs API, its callbacks, the account and the uploads."""
