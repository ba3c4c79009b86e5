"""One run of the bench: a stack of its own, a load process of its own, and a table.

Everything that costs in production is on: keys and their revocation, limits, validation, `fsync` (Postgres' defaults).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from app.bench.load import Answer, Figures, Request, run
from app.config import Settings
from app.db.engine import Database
from app.ledger import Violation, audit
from app.services.accounts import create_account, create_key, grant

CLIENTS = (1, 16, 64)
START_WITHIN_S = 120
# Between two calls of a client that chats.
PAUSE_S = 0.1
# Beyond what any machine reaches, so that the limiter counts and never refuses.
RATE_PER_MINUTE = 100_000_000
CREDITS = Decimal(100_000_000)
SCOPES = ("image", "llm", "account:read")
CREATE = json.dumps({"prompt": "A lighthouse at dusk", "aspect_ratio": "16:9"}).encode()


@dataclass(frozen=True)
class Target:
    """What the load is sent to."""

    host: str
    port: int
    key: str

    def request(self, method: str, path: str, body: bytes = b"") -> Request:
        return Request.of(method, path, host=f"{self.host}:{self.port}", key=self.key, body=body)


@dataclass(frozen=True)
class Row:
    """One line of the table: what was done, and beside it a hello-world route in the same breath."""

    what: str
    figures: Figures
    hello: Figures

    @property
    def ratio(self) -> float:
        return self.figures.per_s / self.hello.per_s


@contextmanager
def running_stack(settings: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """`phaya up` in a folder of its own; yields what its ready file says."""
    with tempfile.TemporaryDirectory(prefix="phaya-bench-") as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "app.cli", "up", "--port", "0", "--data", f"{folder}/data",
                   "--ready-file", str(ready)]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
        try:
            ends = time.monotonic() + START_WITHIN_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError("the stack did not start")
                time.sleep(0.1)
            yield json.loads(ready.read_text())
        finally:
            process.terminate()
            process.wait()


def bench(seconds: float, say: Callable[[str], None]) -> bool:
    """Run it all and print it. False if an answer was not 200 or the audit found something."""
    with running_stack({"PHAYA_LOG_LEVEL": "WARNING"}) as stack:
        env = stack["env"]
        assert isinstance(env, dict)
        settings = Settings(**{name.removeprefix("PHAYA_").lower(): value for name, value in env.items()})
        rows, violations = uvloop.run(_measure(settings, str(stack["api_url"]), seconds, say))
    for violation in violations:
        say(f"audit: {violation.rule}: {violation.subject}: {violation.detail}")
    say(f"audit: {len(violations)} violations")
    return not violations and all(row.figures.errors == 0 for row in rows)


async def _measure(
    settings: Settings, api_url: str, seconds: float, say: Callable[[str], None]
) -> tuple[list[Row], list[Violation]]:
    database = Database(settings)
    try:
        address = urlsplit(api_url)
        assert address.hostname is not None
        assert address.port is not None
        target = Target(address.hostname, address.port, await _make_key(database))
        # Before the creates: the workers are busy with those for long after.
        await _measure_chat(settings, target, seconds, say)
        say(f"\n{'':24}{'clients':>8}{'per s':>10}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}{'of hello':>10}")
        rows = []
        async for row in _rows(target, seconds):
            say(_line(row))
            rows.append(row)
        async with database.transaction() as db:
            await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            return rows, (await audit(db)).violations
    finally:
        await database.close()


async def _make_key(database: Database) -> str:
    async with database.transaction() as db:
        account = await create_account(db, actor="bench", email="bench@localhost", name="Bench")
        await grant(db, account.id, actor="bench", credits=CREDITS, key="bench", note="For the bench")
        _, secret = await create_key(
            db, account.id, actor="bench", name="bench", scopes=SCOPES, rate_per_minute=RATE_PER_MINUTE
        )
    return secret


async def _rows(target: Target, seconds: float) -> AsyncIterator[Row]:
    ids: list[str] = []

    def keep(answer: Answer) -> None:
        if answer.status == 200:
            ids.append(json.loads(answer.body)["job_id"])

    create = target.request("POST", "/api/v1/text-to-image/generate", CREATE)
    for clients in CLIENTS:
        yield await _row("creates", target, clients, seconds, make=lambda _: create, keep=keep)
    polls = [target.request("GET", f"/api/v1/text-to-image/status/{job_id}") for job_id in ids]
    for clients in CLIENTS:
        yield await _row("status reads", target, clients, seconds, make=lambda number: polls[number % len(polls)])


async def _row(
    what: str, target: Target, clients: int, seconds: float, *, make: Callable[[int], Request],
    keep: Callable[[Answer], None] | None = None,
) -> Row:
    hello = target.request("GET", "/health")
    beside = await run(target.host, target.port, clients=clients, seconds=seconds / 2, make=lambda _: hello)
    figures = await run(target.host, target.port, clients=clients, seconds=seconds, make=make, keep=keep)
    return Row(what, figures, beside)


async def _measure_chat(settings: Settings, target: Target, seconds: float, say: Callable[[str], None]) -> None:
    """What the broker adds to the upstream's own time, whole answers and the first byte of streams.

    The stand-in is as fast as the fastest models are: its first token comes after 0.2 s.
    """
    upstream = urlsplit(settings.openrouter_base_url)
    assert upstream.hostname is not None
    assert upstream.port is not None
    direct = Target(upstream.hostname, upstream.port, settings.openrouter_api_keys[0])
    say(f"{'':24}{'clients':>8}{'per s':>10}{'p50 ms':>9}{'p99 ms':>9}{'direct ms':>11}{'added ms':>10}")
    for what, stream in (("chat", False), ("chat stream, first byte", True)):
        body = {"messages": [{"role": "user", "content": "Say hello"}], "stream": stream}
        asked = json.dumps(body).encode()
        sent = json.dumps({"model": settings.chat_default_model} | body).encode()
        straight = direct.request("POST", f"{upstream.path}/chat/completions", sent)
        through = target.request("POST", "/api/v1/phaya-gpt/chat/completions", asked)
        for clients in CLIENTS:
            alone = await _repeat(direct, straight, clients, seconds / 2)
            with_us = await _repeat(target, through, clients, seconds)
            ours, theirs = (
                (with_us.first_p50_ms, alone.first_p50_ms) if stream else (with_us.p50_ms, alone.p50_ms)
            )
            say(f"{what:24}{clients:>8}{with_us.per_s:>10,.0f}{ours:>9.2f}{with_us.p99_ms:>9.2f}{theirs:>11.2f}"
                f"{ours - theirs:>10.2f}")


async def _repeat(target: Target, request: Request, clients: int, seconds: float) -> Figures:
    return await run(
        target.host, target.port, clients=clients, seconds=seconds, make=lambda _: request, pause_s=PAUSE_S
    )


def _line(row: Row) -> str:
    it = row.figures
    return (f"{row.what:24}{it.clients:>8}{it.per_s:>10,.0f}{it.p50_ms:>9.2f}{it.p99_ms:>9.2f}{it.errors:>8}"
            f"{row.ratio:>10.2f}")
