"""What every test may ask for. Real parts only: Postgres and Valkey run for the session, from wheels."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count

import hypothesis
import pytest
import pytest_asyncio

from app.config import Environment, Settings
from app.db.engine import Database
from app.db.migrate import upgrade
from app.embedded import Services
from app.embedded import services as embedded_services
from tests.stack import Stack, running_stack

numbers = count(1)
# The time of an example says how busy the machine is. `--hypothesis-profile=long` is what `phaya prove` gives.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.register_profile("long", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="Run the long forms of the proofs, as `phaya prove` does.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: with two processes, neither is left alone with them at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether the long forms of the proofs are wanted."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The session's Postgres and Valkey, with an empty database."""
    with embedded_services(tmp_path_factory.mktemp("services")) as running:
        yield running


@pytest.fixture(scope="session")
def template(services: Services) -> str:
    """The name of a database with the schema and no rows, from which others are cut."""
    name = "template_with_schema"
    asyncio.run(upgrade(services.create_database(name), services.postgres.serving_url(name)))
    return name


@contextmanager
def fresh_database(services: Services, template: str) -> Iterator[str]:
    """The name of a database with the schema and no rows."""
    name = f"test_{next(numbers)}"
    services.create_database(name, template=template)
    yield name
    services.drop_database(name)


@pytest.fixture(scope="module")
def module_database(services: Services, template: str) -> Iterator[str]:
    """A database for a module whose tests keep to accounts of their own."""
    with fresh_database(services, template) as name:
        yield name


@pytest.fixture
def database_name(services: Services, template: str) -> Iterator[str]:
    """A database of the test's own. A module that needs none overrides this by `module_database`: it saves time."""
    with fresh_database(services, template) as name:
        yield name


def serving_settings(services: Services, database_name: str) -> Settings:
    """Settings of a process that serves this database, with the rights that it has in a deployment."""
    return Settings.model_validate({
        "environment": Environment.EMBEDDED,
        "database_url": services.postgres.serving_url(database_name),
        "redis_url": services.redis_url,
    })


@pytest.fixture(scope="module")
def module_settings(services: Services, module_database: str) -> Settings:
    """Settings of a process that serves the module's database."""
    return serving_settings(services, module_database)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_pool(module_settings: Settings) -> AsyncIterator[Database]:
    """A pool of connections to the module's database, for tests that share the module's event loop."""
    pool = Database(module_settings)
    yield pool
    await pool.close()


@pytest.fixture
def settings(services: Services, database_name: str) -> Settings:
    """Settings of a process that serves the test's own database."""
    return serving_settings(services, database_name)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A pool of connections to the test's own database."""
    pool = Database(settings)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
def stack(services: Services, template: str) -> Iterator[Stack]:
    """A whole stack that the session's tests share: API, workers and sandbox, with everything sped up."""
    with fresh_database(services, template) as name, running_stack(services, name) as running:
        yield running
