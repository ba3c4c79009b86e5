"""What every test may ask for. Real parts only: Postgres and Valkey run for the session, from wheels."""

from collections.abc import Iterator

import pytest

from app.embedded import Services
from app.embedded import services as embedded_services


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The session's Postgres and Valkey, with an empty database."""
    with embedded_services(tmp_path_factory.mktemp("services")) as running:
        yield running
