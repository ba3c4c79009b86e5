"""A whole stack in this process: sandbox, API and workers, each with an event loop of its own, over real sockets."""

import asyncio
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import uvicorn
from sqlalchemy import text

from app import ledger
from app.accounts.keys import ALL_SERVICES
from app.api.connection import Connection
from app.config import Environment, Settings
from app.db.engine import Database
from app.db.ids import new_id
from app.embedded import Services
from app.ledger import EntryView
from app.main import create_app
from app.sandbox.config import SandboxConfig
from app.sandbox.server import running
from app.services.accounts import create_account, create_key, grant
from app.services.audit_ledger import audit_ledger
from app.services.broker import open_broker
from tests.described import check_answer
from workers.schedule import start_schedule
from workers.steppers import media_steppers, upstream_steppers

T = TypeVar("T")

FAST_SANDBOX = SandboxConfig(
    time_scale=0.02, callback_pauses_s=(0.01, 0.01, 0.01), kie_creates_per_10s=10_000, kie_queries_per_s=10_000
)
# Loopback needs no certificates, and loading them takes longer than most tests.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
START_WITHIN_S = 20


@dataclass(frozen=True)
class Client:
    """A caller with a key: `http` speaks to the API under it."""

    account_id: UUID
    key_id: UUID
    secret: str
    http: httpx.Client


@dataclass(frozen=True)
class Stack:
    """What a test talks to. Its tests share it: each makes an account of its own."""

    api_url: str
    sandbox_url: str
    settings: Settings
    closing: ExitStack

    def client(
        self, credits: str = "100", *, scopes: Sequence[str] = ALL_SERVICES, credit_limit: str | None = None,
        rate_per_minute: int = 100_000,
    ) -> Client:
        """A new account with so many credits, and a client that speaks under its key."""

        async def make(database: Database) -> tuple[UUID, UUID, str]:
            async with database.transaction() as db:
                account = await create_account(db, actor="test", email=f"{new_id()}@example.org", name="Somebody")
                if Decimal(credits):
                    await grant(db, account.id, actor="test", credits=Decimal(credits), note="For the test",
                                key=str(account.id))
                key, secret = await create_key(
                    db, account.id, actor="test", name="a key", scopes=scopes, rate_per_minute=rate_per_minute,
                    credit_limit=None if credit_limit is None else Decimal(credit_limit),
                )
            return account.id, key.id, secret

        account_id, key_id, secret = self.query(make)
        http = self.closing.enter_context(anonymous(self.api_url))
        http.headers["Authorization"] = f"Bearer {secret}"
        return Client(account_id, key_id, secret, http)

    def query(self, ask: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """What `ask` answers, with a pool of connections of its own."""

        async def run() -> T:
            database = Database(self.settings)
            try:
                return await ask(database)
            finally:
                await database.close()

        return asyncio.run(run())

    def rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """What a SQL query finds."""

        async def read(database: Database) -> list[dict[str, Any]]:
            async with database.statement() as db:
                return [dict(row) for row in (await db.execute(text(statement), values)).mappings()]

        return self.query(read)

    def entries(self, client: Client) -> list[EntryView]:
        """The account's ledger without its first top-up, oldest first."""

        async def read(database: Database) -> list[EntryView]:
            async with database.statement() as db:
                return await ledger.list_entries(db, client.account_id, limit=1_000)

        return self.query(read)[::-1][1:]

    def control(self, method: str, path: str, **more: Any) -> Any:
        """The answer of the sandbox's control route."""
        response = httpx.request(
            method, f"{self.sandbox_url}/control/{path}", trust_env=False, verify=NO_CERTIFICATES, **more
        )
        assert response.status_code == 200, response.text
        return response.json()

    def fault(self, word: str, count: int = 1, **match: str) -> None:
        """Let the sandbox misbehave on its next `count` requests that match (provider, model, route)."""
        self.control("POST", "faults", json={"match": match, "fault": word, "count": count})


def anonymous(url: str) -> httpx.Client:
    """A client without a key. It looks whether each answer is as the API describes it."""
    return httpx.Client(
        base_url=url, trust_env=False, verify=NO_CERTIFICATES, timeout=20, event_hooks={"response": [check_answer]}
    )


@contextmanager
def running_stack(
    services: Services, database_name: str, *, sandbox: SandboxConfig = FAST_SANDBOX, **overrides: Any
) -> Iterator[Stack]:
    """A stack on a database of its own, with these settings changed. The money is audited at its end."""
    with ExitStack() as parts, ExitStack() as clients:
        sandbox_url = parts.enter_context(running(sandbox))
        listener = parts.enter_context(_listener())
        api_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="phaya-stack-")))
        usual = _settings(services, database_name, api_url=api_url, sandbox_url=sandbox_url, folder=folder)
        settings = Settings.model_validate(usual | overrides)
        parts.enter_context(_thread("api", partial(_serve, settings, listener)))
        parts.enter_context(_thread("workers", partial(_work, settings)))
        stack = Stack(api_url, sandbox_url, settings, clients)
        yield stack
        violations = stack.query(audit_ledger).violations
        assert not violations, violations


def _settings(
    services: Services, database_name: str, *, api_url: str, sandbox_url: str, folder: Path
) -> dict[str, Any]:
    return {
        "environment": Environment.EMBEDDED, "log_level": "ERROR", "public_url": api_url,
        "database_url": services.postgres.serving_url(database_name), "redis_url": services.redis_url,
        "storage_dir": folder / "files", "work_dir": folder / "work", "fetch_allow": (sandbox_url.removeprefix("http://"),),
        "kie_api_keys": (f"kie-{database_name}",), "kie_base_url": f"{sandbox_url}/kie",
        "kie_upload_url": f"{sandbox_url}/kie", "kie_creates_per_10s": 1_000, "kie_queries_per_s": 1_000,
        "openrouter_api_keys": (f"openrouter-{database_name}",),
        "openrouter_base_url": f"{sandbox_url}/openrouter/api/v1",
        "gemini_api_keys": (f"gemini-{database_name}",), "gemini_base_url": f"{sandbox_url}/gemini",
        "whisper_api_keys": (f"whisper-{database_name}",), "whisper_base_url": f"{sandbox_url}/whisper/v1",
        "sweep_s": 0.05,
    }


@contextmanager
def _listener() -> Iterator[socket.socket]:
    # Named as TCP, or asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1_024)
        yield listener


Serve = Callable[[threading.Event, asyncio.Event], Coroutine[Any, Any, None]]


@contextmanager
def _thread(name: str, serve: Serve) -> Iterator[None]:
    """Run `serve` in a thread from when it says that it is ready until the block ends."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    ends = asyncio.Event()
    thread = threading.Thread(target=_run, args=(loop, serve, ready, ends), name=name)
    thread.start()
    try:
        assert ready.wait(START_WITHIN_S), f"{name} did not start"
        yield
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, serve: Serve, ready: threading.Event, ends: asyncio.Event) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(serve(ready, ends))


async def _serve(settings: Settings, listener: socket.socket, ready: threading.Event, ends: asyncio.Event) -> None:
    config = uvicorn.Config(
        create_app(settings), http=Connection, ws="none", log_config=None, access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    ready.set()
    await ends.wait()
    server.should_exit = True
    await serving


async def _work(settings: Settings, ready: threading.Event, ends: asyncio.Event) -> None:
    """Both workers in one loop. They look for work by the clock alone: a wake-up by Redis needs ARQ's own process."""
    async with open_broker(settings) as broker:
        steppers = [*upstream_steppers(broker), *media_steppers(broker)]
        for stepper in steppers:
            stepper.start()
        clock = start_schedule(broker, steppers)
        ready.set()
        await ends.wait()
        for task in clock:
            task.cancel()
        for stepper in steppers:
            await stepper.stop(drain_s=2)
