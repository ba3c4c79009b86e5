"""The outside providers: one module for each wire protocol, behind the port. It knows no job and no service."""
