"""The connection to Postgres: engine, transactions, the declarative base. It knows no table."""
