"""The same upload under the same `Idempotency-Key` is one file, however often and at once it comes."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy import text

from app.config import Settings
from app.db.engine import Database
from tests.factories import make_key, make_tenant
from tests.serving import api


def picture(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


RED, BLUE = picture("red"), picture("blue")


@pytest.fixture
async def client(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings.model_copy(update={"storage_dir": tmp_path})
    async with api(settings) as client:
        client.headers["Authorization"] = f"Bearer {await new_key(database)}"
        yield client


async def new_key(database: Database) -> str:
    return await make_key(database, (await make_tenant(database)).account_id)


async def upload(
    client: httpx.AsyncClient, content: bytes = RED, *, key: str | None = "a-key", name: str = "a.png"
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post("/api/v1/media/upload", files={"file": (name, content)}, headers=headers)


async def count(database: Database, query: str = "SELECT count(*) FROM files") -> int:
    async with database.statement() as db:
        return int(await db.scalar(text(query)) or 0)


async def test_a_repetition_is_answered_with_the_same_file(client: httpx.AsyncClient, database: Database) -> None:
    first, again = await upload(client), await upload(client)

    assert (first.status_code, again.json()) == (200, first.json())
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await count(database) == 1


async def test_ten_at_once_are_one_file_with_one_copy_in_the_store(
    client: httpx.AsyncClient, database: Database
) -> None:
    answers = await asyncio.gather(*(upload(client) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["url"] for answer in answers}) == 1
    assert await count(database) == 1


async def test_another_file_or_name_under_the_key_is_refused(client: httpx.AsyncClient) -> None:
    await upload(client)

    for other in (await upload(client, BLUE), await upload(client, name="b.png")):
        assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
    assert (await upload(client, key="")).status_code == 422


async def test_keys_are_an_accounts_own_and_without_one_each_upload_is_new(
    client: httpx.AsyncClient, database: Database
) -> None:
    mine = await upload(client)
    others = await client.post(
        "/api/v1/media/upload", files={"file": ("a.png", BLUE)},
        headers={"Idempotency-Key": "a-key", "Authorization": f"Bearer {await new_key(database)}"},
    )
    unnamed = [await upload(client, key=None) for _ in range(2)]

    assert len({answer.json()["url"] for answer in (mine, others, *unnamed)}) == 4


@pytest.mark.parametrize("change", [
    "UPDATE files SET deleted_at = now()",
    "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'",
])
async def test_once_the_file_is_gone_or_the_key_is_old_it_is_stored_anew(
    client: httpx.AsyncClient, database: Database, change: str
) -> None:
    first = await upload(client)
    async with database.statement() as db:
        await db.execute(text(change))

    second, third = await upload(client), await upload(client)

    assert second.json()["url"] == third.json()["url"] != first.json()["url"]


async def test_keys_are_kept_for_seven_days(client: httpx.AsyncClient, database: Database) -> None:
    await upload(client)

    kept = "SELECT count(*) FROM idempotency_keys WHERE expires_at - created_at = interval '7 days'"
    assert await count(database, kept) == 1
