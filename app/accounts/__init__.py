"""Accounts, API keys and the record of what admins did. It knows nothing of credits: balances are app.ledger's."""
