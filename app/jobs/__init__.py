"""Jobs: their tables, the one state machine, and the queries that claim them. It knows no service and no provider."""
