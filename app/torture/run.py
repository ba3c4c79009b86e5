"""One run: start the stack, let clients and chaos loose on it, wait for quiet, read all books, say what broke."""

import asyncio
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.keys import ALL_SERVICES
from app.db.engine import Database
from app.demo.story import PICTURE
from app.embedded.supervisor import Stop
from app.media.formats import Kinds
from app.providers.http import KEEP_S, ClientFleet
from app.services.accounts import create_account, create_key, grant
from app.torture import evidence, journal
from app.torture.asking import Line, Log
from app.torture.chaos import Chaos
from app.torture.checks import CHECKS
from app.torture.clients import Clients
from app.torture.evidence import Evidence
from app.torture.faults import FAULTS
from app.torture.figures import figures_of
from app.torture.leftovers import leftovers
from app.torture.orders import make_film, services, upload
from app.torture.plan import ACCOUNTS, POOR, POOR_CREDITS, RICH_CREDITS, Plan
from app.torture.stack import PHAYA, TWO_OF_EACH, Stack, running

ACTOR = "torture"
# Of all clients, at most.
CONNECTIONS = 2_000


@dataclass(frozen=True)
class Verdict:
    """What broke, by the check that found it, and the figures of the run."""

    breaches: Mapping[str, Sequence[str]]
    figures: Mapping[str, str]


def torture(
    plan: Plan, data: Path, *, fault: str | None = None, copies: Mapping[str, int] = TWO_OF_EACH
) -> Verdict:
    """A whole run in the folder `data`, which keeps everything. From the main thread. Raises Stop on Ctrl-C.

    `fault` is the name of a mistake to be planted (app.torture.faults), `copies` the number of each process.
    """
    began = time.monotonic()
    keys: list[str] = []

    async def prepare(database: Database) -> None:
        async with database.transaction() as db:
            await journal.install(db)
            keys.extend([await _open_account(db, number) for number in range(ACCOUNTS)])
            if fault:
                await FAULTS[fault].change_schema(db)

    program = PHAYA if fault is None else ("-m", "app.torture.child", fault)
    with (
        (data / "supervisor.log").open("w", buffering=1) as said,
        running(
            data, say=lambda line: print(line, file=said), prepare=prepare, program=program, copies=copies
        ) as stack,
    ):
        found = _watch(stack, Story(stack, plan, tuple(keys)))
    breaches = {name: list(check(found)) for name, check in CHECKS.items()}
    breaches["nothing_is_left_over"] = list(leftovers(data, len(found.done)))
    figures = figures_of(found) | {"took": f"{time.monotonic() - began:.0f} s"}
    return Verdict({name: problems for name, problems in breaches.items() if problems}, figures)


async def _open_account(db: AsyncSession, number: int) -> str:
    """An account with credits; answers a key of it."""
    account = await create_account(db, actor=ACTOR, email=f"{number}@torture.localhost", name=f"Client {number}")
    credits = Decimal(POOR_CREDITS if number == POOR else RICH_CREDITS)
    await grant(db, account.id, actor=ACTOR, credits=credits, note="To be spent", key=ACTOR)
    return (await create_key(db, account.id, actor=ACTOR, name=ACTOR, scopes=ALL_SERVICES))[1]


def _watch(stack: Stack, story: "Story") -> Evidence:
    """Let the story happen in a thread of its own while we, in the main one, start again whatever dies."""
    teller = threading.Thread(target=story.tell, name="torture")
    teller.start()
    try:
        stack.supervisor.watch(lambda: None)
    except Stop:
        story.stop()
    teller.join()
    if story.failure is not None:
        raise story.failure
    if story.found is None:
        raise Stop
    return story.found


@dataclass
class Story:
    """What happens outside of the stack. `found` is what there is to judge in the end."""

    stack: Stack
    plan: Plan
    keys: tuple[str, ...]
    found: Evidence | None = None
    failure: BaseException | None = None
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    _task: "asyncio.Task[Evidence] | None" = None

    def tell(self) -> None:
        """Run it to its end, and then let the stack be stopped."""
        try:
            with self._runner as runner:
                self.found = runner.run(self._happen())
        except asyncio.CancelledError:
            self.found = None
        except Exception as failure:  # noqa: BLE001 - raised again in the main thread
            self.failure = failure
        finally:
            self.stack.supervisor.ask_to_stop(signal.SIGTERM, None)

    def stop(self) -> None:
        """End it early. After its end this does nothing."""
        with suppress(RuntimeError):
            self._runner.get_loop().call_soon_threadsafe(lambda: self._task and self._task.cancel())

    async def _happen(self) -> Evidence:
        self._task = asyncio.current_task()
        fleet = ClientFleet(connections=CONNECTIONS, keep_s=KEEP_S)
        line = Line(fleet, self.stack.api_url, self.keys, 0, Log())
        try:
            film = await make_film(self.stack.data)
            files = {Kinds.IMAGE: PICTURE, Kinds.VIDEO: film}
            uploads = {kind: await upload(line, file) for kind, file in files.items()}
            clients, chaos = Clients(line, services(), uploads), Chaos(self.stack)
            for stage in (self.plan.storm, self.plan.trial):
                line.ends_at = time.monotonic() + self.plan.patience_s
                async with asyncio.TaskGroup() as group:
                    group.create_task(clients.run(stage.orders))
                    group.create_task(chaos.run(stage.acts))
        finally:
            await fleet.close()
        return await evidence.gather(self.stack, self.plan, line.log, chaos.done)
