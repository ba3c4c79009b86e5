"""The store's disk is full: what cannot be kept is refused or given back, and nothing of it is left."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest

from app.config import Settings
from app.db.engine import Database
from app.errors import Unclear
from app.jobs.states import AttemptOutcome
from app.providers.port import CallAnswer, JsonObject, ProviderKey
from app.services.paid_calls import JobCalls
from tests.factories import make_key, make_tenant
from tests.mediafiles import picture
from tests.serving import api
from tests.smalldisk import SmallDisk, small_disk
from tests.workbench import workbench


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def settings(settings: Settings, disk: SmallDisk) -> Settings:
    return settings.model_copy(update={"storage_dir": disk.folder})


async def test_an_upload_is_refused_until_there_is_room(
    settings: Settings, database: Database, disk: SmallDisk, tmp_path: Path
) -> None:
    key = await make_key(database, (await make_tenant(database)).account_id)
    content = picture(tmp_path / "a.png").read_bytes()
    async with api(settings) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        disk.fill()
        refused = await client.post("/api/v1/media/upload", files={"file": ("a.png", content)})
        ready = await client.get("/ready")
        left = disk.files()
        disk.make_room()
        taken = await client.post("/api/v1/media/upload", files={"file": ("a.png", content)})

    message = "The file store is full; try again later"
    assert (refused.status_code, refused.json()["message"], left) == (503, message, [])
    assert (ready.status_code, ready.json()["parts"]["storage"]) == (503, "down")
    assert (taken.status_code, len(disk.files())) == (200, 1)


@dataclass
class Voice:
    """A provider whose one call makes a file."""

    name: str = "voice"
    keys: tuple[ProviderKey, ...] = (ProviderKey.of("a-key"),)
    asked: list[JsonObject] = field(default_factory=list)

    async def call(self, key: ProviderKey, ask: JsonObject, *, files: Mapping[str, Path], target: Path) -> CallAnswer:
        self.asked.append(ask)
        await asyncio.to_thread(target.write_bytes, b"a sound")
        return CallAnswer({"tokens": 7}, has_file=True, cost=Decimal("0.5"))


async def test_what_was_paid_for_and_cannot_be_kept_is_booked_and_not_bought_again(
    settings: Settings, database: Database, disk: SmallDisk, tmp_path: Path
) -> None:
    voice, tenant = Voice(), await make_tenant(database, "10")
    async with workbench(settings) as bench:
        await bench.ask(tenant)
        [step] = await bench.take()
        calls = JobCalls(replace(bench.broker, callers={"voice": voice}), step.job, tmp_path)
        disk.fill()
        for _ in range(2):
            with pytest.raises(Unclear):
                await calls.once("a step", "voice", {"text": "hello"})
        attempt = await bench.attempt(step.job.id)

    assert (attempt.outcome, attempt.cost, len(voice.asked)) == (AttemptOutcome.LOST, Decimal("0.5"), 1)
    assert attempt.detail == "made, but not kept: The file store is full; try again later"
