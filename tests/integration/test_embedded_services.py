"""The embedded Postgres and Valkey: real, kept on disk, safe from a second stack and from a kill."""

from pathlib import Path

import asyncpg
import pytest
import redis

from app.embedded import Services, services
from app.embedded.folder import locked
from app.errors import EmbeddedError


async def fetchval(database_url: str, sql: str) -> object:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_a_second_start_finds_the_data(tmp_path: Path) -> None:
    with services(tmp_path) as first:
        await fetchval(first.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(first.redis_url) as client:
            client.set("kept", "42")

    with services(tmp_path) as second:
        assert await fetchval(second.database_url, "SELECT answer FROM kept") == 42
        with redis.Redis.from_url(second.redis_url) as client:
            assert client.get("kept") == b"42"


async def test_commits_are_durable_and_text_is_utf8(services: Services) -> None:
    settings = "SELECT current_setting('fsync') || current_setting('synchronous_commit') || upper('ครู é')"

    assert await fetchval(services.database_url, settings) == "ononครู É"


async def test_a_database_is_cut_from_a_template(services: Services) -> None:
    template = services.create_database("a_template")
    await fetchval(template, "CREATE TABLE seeded AS SELECT 1 AS n")

    copy = services.create_database("a_copy", template="a_template")

    assert await fetchval(copy, "SELECT n FROM seeded") == 1
    services.drop_database("a_copy")
    services.drop_database("a_template")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await fetchval(copy, "SELECT 1")


async def test_both_servers_want_their_password(services: Services) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await fetchval(services.database_url.replace("//phaya:", "//phaya:not"), "SELECT 1")
    with (
        redis.Redis.from_url(services.redis_url.replace("//:", "//:not")) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(EmbeddedError, match="in use by another stack"), services(tmp_path):
        pass


def test_passwords_are_for_their_owner_alone(tmp_path: Path) -> None:
    with services(tmp_path):
        pass

    for private in ("passwords.json", "redis/valkey.conf"):
        assert (tmp_path / private).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "postgres").stat().st_mode & 0o777 == 0o700
