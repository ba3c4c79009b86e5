"""Whose word on the client's address the API takes."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.db.engine import Database
from app.embedded.process import Part, launch, wait_ready
from app.embedded.stack import answers
from app.services.accounts import create_account, create_key

CLIENT = "203.0.113.7"


@pytest.fixture
async def key(database: Database) -> str:
    """The secret of a key that only the client's address may use."""
    async with database.transaction() as db:
        account = await create_account(db, actor="test", email="somebody@example.org", name="Somebody")
        _, secret = await create_key(
            db, account.id, actor="test", name="At home", scopes=["account:read"], addresses=[CLIENT]
        )
    return secret


def test_nobody_is_believed_by_default(settings: Settings, key: str, tmp_path: Path) -> None:
    with serving(settings, tmp_path, trusted="") as url:
        assert ask(url, key, forwarded=CLIENT) == 403


def test_a_trusted_proxy_is_but_not_what_the_client_told_it(settings: Settings, key: str, tmp_path: Path) -> None:
    with serving(settings, tmp_path, trusted="127.0.0.0/8") as url:
        assert ask(url, key, forwarded=CLIENT) == 200
        assert ask(url, key, forwarded="198.51.100.9") == 403
        assert ask(url, key, forwarded=f"{CLIENT}, 198.51.100.9") == 403


def ask(url: str, key: str, *, forwarded: str) -> int:
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": forwarded}
    return httpx.get(f"{url}/api/v1/user/credits", headers=headers).status_code


@contextmanager
def serving(settings: Settings, folder: Path, *, trusted: str) -> Iterator[str]:
    """The address of a real `phaya api`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        child = launch(_api(settings, listener.fileno(), url, trusted=trusted), folder / "api.log")
        try:
            wait_ready(child)
            yield url
        finally:
            child.stop()


def _api(settings: Settings, listener: int, url: str, *, trusted: str) -> Part:
    env = {
        **os.environ,
        "PHAYA_ENVIRONMENT": "embedded",
        "PHAYA_DATABASE_URL": str(settings.database_url),
        "PHAYA_REDIS_URL": str(settings.redis_url),
        "PHAYA_TRUSTED_PROXIES": trusted,
    }
    command = (sys.executable, "-m", "app.cli", "api", "--fd", str(listener))
    return Part(name="api", command=command, env=env, is_ready=lambda _: answers(f"{url}/health"), pass_fds=(listener,))
