"""Postgres and Valkey alone, for tests and tools that bring their own processes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded import folder, postgres, valkey
from app.embedded.process import launch, wait_ready


@dataclass(frozen=True)
class Services:
    """A running Postgres and a running Valkey."""

    postgres: postgres.Postgres
    valkey: valkey.Valkey

    @property
    def database_url(self) -> str:
        """The database that the cluster came with, as its owner."""
        return self.postgres.owner_url()

    @property
    def redis_url(self) -> str:
        """Valkey's first database."""
        return self.valkey.url

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database as a copy of `template`, which nobody may be connected to, and return its owner's URL."""
        self.postgres.execute(f'CREATE DATABASE "{name}" OWNER {postgres.OWNER} TEMPLATE "{template}"')
        return self.postgres.owner_url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and whoever is connected to it."""
        self.postgres.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def services(data: Path) -> Iterator[Services]:
    """Postgres and Valkey with their data in the folder `data`, stopped at the end. Call it from the main thread.

    Raises EmbeddedError when another stack uses the folder or a server does not start.
    """
    with ExitStack() as stack:
        data = stack.enter_context(folder.locked(data))
        passwords = folder.passwords(data)
        database = stack.enter_context(postgres.prepared(data / "postgres", passwords))
        cache = valkey.prepare(data / "redis", passwords.redis)
        children = [launch(part, data / f"{part.name}.log") for part in (database.part(), cache.part())]
        for child in children:
            stack.callback(child.stop)
        for child in children:
            wait_ready(child)
        yield Services(database, cache)
