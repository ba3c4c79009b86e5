"""A finished task's result is paid for: while its host or our store fails it waits, and is fetched again."""

import io
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.config import Settings
from app.db.engine import Database
from app.errors import StorageFull
from app.jobs.states import JobState
from app.media.formats import Kinds
from app.services.advance_job import GONE_TRIES, STORE_REST_S
from app.storage.local import LocalStorage
from tests.books import balance_of, view
from tests.factories import Tenant, make_tenant
from tests.fakes.web import serving
from tests.smalldisk import SmallDisk, small_disk
from tests.workbench import SERVICE, Workbench, workbench

TRIES = 6
PICTURE = replace(SERVICE, result_kinds=Kinds.IMAGE)


class Host:
    """Where a result lies: it answers with these statuses in turn, and then with the picture."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.asked = 0
        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        self._picture = picture.getvalue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        status = self.statuses.pop(0) if self.statuses else 200
        await Response(self._picture, status, media_type="image/png")(scope, receive, send)


class SmallStore(LocalStorage):
    """A store without room, until somebody makes some."""

    is_full = True

    async def put(self, key: str, source: Path, *, content_type: str) -> None:
        if self.is_full:
            raise StorageFull("The file store is full; try again later")
        await super().put(key, source, content_type=content_type)

    def make_room(self) -> None:
        self.is_full = False


class StoreOnDisk(LocalStorage):
    """The same on a disk that is full in truth."""

    def __init__(self, disk: SmallDisk) -> None:
        super().__init__(disk.folder)
        disk.fill()
        self.make_room = disk.make_room


@pytest.fixture
def database_name(module_database: str) -> str:
    return module_database


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def url(host: Host) -> Iterator[str]:
    with serving(host) as address:
        yield f"{address}/result.png"


@pytest.fixture
async def bench(settings: Settings, url: str, tmp_path: Path) -> AsyncIterator[Workbench]:
    changes = {"fetch_allow": (url.split("/")[2],), "result_tries": TRIES, "storage_dir": tmp_path / "files"}
    async with workbench(settings.model_copy(update=changes), service=PICTURE) as bench:
        yield bench
    shutil.rmtree(tmp_path)


@pytest.fixture(params=["told", "in truth"])
def full_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallStore | StoreOnDisk]:
    if request.param == "told":
        yield SmallStore(tmp_path / "small")
        return
    with small_disk(tmp_path / "disk") as disk:
        yield StoreOnDisk(disk)


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, "10")


async def finish(bench: Workbench, tenant: Tenant, url: str) -> UUID:
    """A job whose task is done; its result lies at the URL."""
    job_id = (await bench.ask(tenant, prompt := str(tenant.key_id))).job_id
    await bench.work()
    [task_id] = bench.upstream.of(prompt)
    bench.upstream.finish(task_id, url)
    return job_id


async def keep_trying(bench: Workbench, job_id: UUID, times: int) -> JobState:
    for _ in range(times):
        await bench.wait(60)
        assert await bench.work() == 1
    return (await bench.job(job_id)).state


async def test_a_host_that_is_down_is_asked_again_until_it_answers(
    bench: Workbench, tenant: Tenant, host: Host, url: str, database: Database
) -> None:
    job_id = await finish(bench, tenant, url)
    host.statuses = [503] * (TRIES - 1)

    assert await keep_trying(bench, job_id, TRIES - 1) is JobState.STORING
    assert await keep_trying(bench, job_id, 1) is JobState.SUCCEEDED
    assert await balance_of(database, tenant) == view("6")


@pytest.mark.parametrize(("status", "tries"), [(503, TRIES), (404, GONE_TRIES), (410, GONE_TRIES)])
async def test_a_result_that_cannot_be_had_is_refunded_and_flagged(
    bench: Workbench, tenant: Tenant, *, host: Host, url: str, database: Database, status: int, tries: int
) -> None:
    job_id = await finish(bench, tenant, url)
    host.statuses = [status] * 100

    assert await keep_trying(bench, job_id, tries) is JobState.FAILED

    job = await bench.job(job_id)
    assert (job.reason, job.is_flagged, host.asked) == ("result_lost", True, tries)
    assert await balance_of(database, tenant) == view("10")


async def test_while_our_store_is_full_results_wait_and_nothing_is_paid(
    bench: Workbench, tenant: Tenant, *, url: str, database: Database, full_store: SmallStore | StoreOnDisk
) -> None:
    full = replace(bench, broker=replace(bench.broker, storage=full_store))
    job_id = await finish(full, tenant, url)
    assert await keep_trying(full, job_id, 3) is JobState.STORING
    assert await full.work() == 0

    full_store.make_room()
    await full.wait(STORE_REST_S)
    await full.work()

    assert (await full.job(job_id)).state is JobState.SUCCEEDED
    assert await balance_of(database, tenant) == view("6")


async def test_a_job_that_waits_for_the_store_ends_at_its_deadline(
    bench: Workbench, tenant: Tenant, *, url: str, database: Database, full_store: SmallStore | StoreOnDisk
) -> None:
    full = replace(bench, broker=replace(bench.broker, storage=full_store))
    job_id = await finish(full, tenant, url)
    await full.wait(60)
    await full.work()
    await full.wait(3_600)
    await full.work()

    job = await full.job(job_id)
    assert (job.state, job.reason, job.is_flagged) == (JobState.FAILED, "expired", True)
    assert await balance_of(database, tenant) == view("10")
