"""The embedded stack: `phaya up` and the real Postgres and Valkey of the tests, from wheels, without Docker.

Owns processes, ports, passwords and folders. It knows nothing of jobs or money, and nothing imports it but the
command line and the tests.
"""

from app.embedded.services import Services, services

__all__ = ["Services", "services"]
