"""A worker that is told to stop: its steps are handed back at once, and what is being paid for is written down."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from starlette.responses import FileResponse

from app.accounts.keys import KeyRecord
from app.config import Settings
from app.db.engine import Database
from app.jobs.models import Job
from app.jobs.states import AttemptOutcome, JobState, LeaseLost
from app.jobs.wire import MEDIA_LANE
from app.providers.port import CallAnswer, JsonObject, ProviderKey
from app.services.advance_job import advance
from app.services.broker import Broker, open_broker
from app.services.cancel_job import cancel_job
from app.services.paid_calls import JobCalls
from app.services.submit_job import submit_job
from app.services.take_work import Work, hand_back, take_local_work, take_upstream_work
from tests.factories import Tenant, make_tenant
from tests.fakes.upstream import Mood
from tests.fakes.web import serving
from tests.mediafiles import picture
from tests.workbench import Workbench, workbench
from workers.settings import KINDS
from workers.stepper import Stepper

# The job of a stopped worker is taken up in this time; its lease would last for ten seconds more.
AT_ONCE_S = 1.0
ENDS_WITHIN_S = 5.0


@pytest.fixture
async def bench(settings: Settings) -> AsyncIterator[Workbench]:
    async with workbench(settings) as bench:
        yield bench


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, "10")


def stepper_of(bench: Workbench) -> Stepper:
    return Stepper(
        "kie", room=5, take=partial(take_upstream_work, bench.broker, bench.upstream),
        run=partial(advance, bench.broker), hand_back=partial(hand_back, bench.broker),
    )


class Gate:
    """Where the fake provider stands until it is let through."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


# A task is being sent


@pytest.mark.parametrize(("mood", "then"), [
    (Mood.TAKE, JobState.RUNNING), (Mood.THROTTLE, JobState.QUEUED), (Mood.LOSE_ANSWER, JobState.UNCLEAR),
])
async def test_the_answer_to_a_task_that_was_being_sent_is_acted_upon_by_the_next_worker(
    bench: Workbench, tenant: Tenant, mood: Mood, then: JobState
) -> None:
    gate, bench.upstream.mood = Gate(), mood
    bench.upstream.meanwhile = gate.pass_through
    job_id = (await bench.ask(tenant, prompt := "a boat")).job_id
    stepper = stepper_of(bench)
    stepper.start()
    stepper.wake()
    await gate.reached.wait()

    stopping = asyncio.create_task(stepper.stop(drain_s=0))
    await asyncio.sleep(0)
    assert not stopping.done()
    gate.opened.set()
    await stopping
    assert (await bench.job(job_id)).state is JobState.SUBMITTING
    [step] = await bench.take()
    await advance(bench.broker, step)

    assert (await bench.job(job_id)).state is then
    assert (await bench.attempt(job_id)).task_id in (bench.upstream.tasks if mood is Mood.TAKE else {None})
    assert bench.upstream.asked[prompt] == 1


async def test_what_was_being_taken_when_the_stop_came_is_not_left_as_if_it_were_sent(
    bench: Workbench, tenant: Tenant
) -> None:
    gate, job_id = Gate(), (await bench.ask(tenant)).job_id

    async def take(limit: int) -> Work:
        work = await take_upstream_work(bench.broker, bench.upstream, limit)
        await gate.pass_through()
        return work

    stepper = Stepper("kie", room=5, take=take, run=partial(advance, bench.broker),
                      hand_back=partial(hand_back, bench.broker))
    stepper.start()
    stepper.wake()
    await gate.reached.wait()
    stopping = asyncio.create_task(stepper.stop(drain_s=ENDS_WITHIN_S))
    await asyncio.sleep(0)
    gate.opened.set()
    await stopping

    assert (await bench.job(job_id)).state is JobState.RUNNING


# A call is being paid for


@dataclass
class Voice:
    """A provider whose one call passes the gate before it is answered."""

    gate: Gate
    name: str = "voice"
    keys: tuple[ProviderKey, ...] = (ProviderKey.of("a-key"),)
    asked: list[JsonObject] = field(default_factory=list)

    async def call(self, key: ProviderKey, ask: JsonObject, *, files: Mapping[str, Path], target: Path) -> CallAnswer:
        self.asked.append(ask)
        await self.gate.pass_through()
        await asyncio.to_thread(target.write_bytes, b"a sound")
        return CallAnswer({"tokens": 7}, has_file=True)


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_paid_call_is_waited_for_and_the_next_worker_need_not_pay_again(
    bench: Workbench, tenant: Tenant, tmp_path: Path, cancels: int
) -> None:
    voice = Voice(Gate())
    broker = replace(bench.broker, callers={"voice": voice})
    job = await leased(bench, tenant)
    speaking = asyncio.create_task(JobCalls(broker, job, tmp_path).once("a step", "voice", {"text": "hello"}))
    await voice.gate.reached.wait()

    for _ in range(cancels):
        speaking.cancel()
        await asyncio.sleep(0)
    assert not speaking.done()
    voice.gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await speaking

    assert (await bench.attempt(job.id)).outcome is AttemptOutcome.DONE
    (tmp_path / "next").mkdir()
    kept = await JobCalls(broker, job, tmp_path / "next").once("a step", "voice", {"text": "hello"})
    assert kept.file is not None
    assert (kept.output["tokens"], kept.file.read_bytes(), len(voice.asked)) == (7, b"a sound", 1)


async def test_nothing_is_bought_for_a_job_that_is_not_ours_any_more(
    bench: Workbench, tenant: Tenant, tmp_path: Path
) -> None:
    voice, job = Voice(Gate()), await leased(bench, tenant)
    await cancel_job(bench.broker, job.id)

    with pytest.raises(LeaseLost):
        await JobCalls(replace(bench.broker, callers={"voice": voice}), job, tmp_path).once("a step", "voice", {})

    assert voice.asked == []


async def leased(bench: Workbench, tenant: Tenant) -> Job:
    await bench.ask(tenant)
    [step] = await bench.take()
    return step.job


# FFmpeg is at work


async def test_a_film_is_begun_anew_by_the_next_worker_at_once_and_ffmpeg_is_gone(
    settings: Settings, tenant: Tenant, database: Database, tmp_path: Path
) -> None:
    still = picture(tmp_path / "still.png", (1920, 1080))
    with serving(FileResponse(still)) as address:
        settings = settings.model_copy(update={
            "fetch_allow": (address.removeprefix("http://"),), "storage_dir": tmp_path / "files",
            "work_dir": tmp_path / "work",
        })
        async with open_broker(settings) as broker:
            job_id = await ask_for_film(broker, tenant, f"{address}/still.png")
            with media_worker(settings) as worker:
                children = await asyncio.to_thread(encoding, worker.pid)
                worker.send_signal(signal.SIGTERM)
                await asyncio.to_thread(worker.wait, KINDS["media"].drain_s + ENDS_WITHIN_S)
            stopped_at = time.monotonic()
            [step] = (await take_local_work(broker, MEDIA_LANE, 5)).steps

            assert worker.returncode == 0
            assert time.monotonic() - stopped_at < AT_ONCE_S
            assert (step.job.id, step.job.state, step.job.tries) == (job_id, JobState.RUNNING, 0)
            assert not any(is_alive(child) for child in children)
            assert list((tmp_path / "work").iterdir()) == []
            await cancel_job(broker, job_id)


async def ask_for_film(broker: Broker, tenant: Tenant, image_url: str) -> UUID:
    service = broker.service("image-to-video")
    caller = KeyRecord(tenant.key_id, tenant.account_id, frozenset(), (), None)
    request = service.request.model_validate({"image_url": image_url, "duration": 60})
    return (await submit_job(broker, caller, service, request)).job_id


@contextmanager
def media_worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    names = ("environment", "database_url", "redis_url", "storage_dir", "work_dir")
    values = {f"PHAYA_{name.upper()}": str(getattr(settings, name)) for name in names}
    env = {**os.environ, **values, "PHAYA_FETCH_ALLOW": ",".join(settings.fetch_allow)}
    worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker", "--queue", "media"], env=env)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def encoding(worker: int) -> list[int]:
    """The process ids of all that the worker has started, once FFmpeg is among them."""
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        children = descendants(worker)
        if any("ffmpeg" in name_of(pid) for pid in children):
            return children
        time.sleep(0.05)
    raise AssertionError("no film was begun")


def descendants(pid: int) -> list[int]:
    found = subprocess.run(["/usr/bin/pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    children = [int(word) for word in found.stdout.split()]
    return children + [deeper for child in children for deeper in descendants(child)]


def name_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


def is_alive(pid: int) -> bool:
    state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")
