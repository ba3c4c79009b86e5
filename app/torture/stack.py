"""The stack that is tortured: two of every process of phaya, Postgres, Redis and the sandbox."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.config import Environment, Settings
from app.db.engine import Database
from app.embedded import folder, postgres, valkey
from app.embedded.ports import LOOPBACK, free_port
from app.embedded.process import Part
from app.embedded.stack import Addresses, environment, phaya_parts, sandbox_part, seed_part
from app.embedded.supervisor import Supervisor, supervised

BACKLOG = 2_048
# KIE takes 20 creates in 10 seconds under each key: with so many keys it is no bottleneck, and keys take turns.
KIE_KEYS = tuple(f"torture-{number}" for number in range(20))
# Durations scaled to seconds, and a limit that counts every request and refuses none.
TIME_SCALE = 0.5
SETTINGS = {"grace_s": "10", "rate_limit_per_minute": "10000000", "media_concurrency": "1", "result_tries": "4"}

# How Python is told to run phaya.
PHAYA = ("-m", "app.cli")
TWO_OF_EACH = {"api": 2, "worker": 2, "media-worker": 2}

# Run as the owner of the schema, once there is one and before anybody serves.
Prepare = Callable[[Database], Coroutine[None, None, None]]


@dataclass(frozen=True)
class Stack:
    """A running stack. `settings` are those of its processes, `owner` the same with the rights of the owner."""

    supervisor: Supervisor
    settings: Settings
    api_url: str
    sandbox_url: str
    owner: Settings
    data: Path


@contextmanager
def running(
    data: Path, *, say: Callable[[str], None], prepare: Prepare, program: Sequence[str] = PHAYA,
    copies: Mapping[str, int] = TWO_OF_EACH,
) -> Iterator[Stack]:
    """Start it all in `data`, and stop it at the end. From the main thread.

    `program` are Python's words for phaya's own processes, `copies` how many there are of each. Raises EmbeddedError.
    """
    with ExitStack() as stack:
        data = stack.enter_context(folder.locked(data))
        # The listener is ours: while both apis are dead their clients wait in line.
        listener = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=BACKLOG))
        passwords = folder.passwords(data)
        database = stack.enter_context(postgres.prepared(data / "postgres", passwords))
        cache = valkey.prepare(data / "redis", passwords.redis)
        sandbox_url = f"http://{LOOPBACK}:{free_port()}"
        addresses = Addresses(
            api_url=f"http://{LOOPBACK}:{listener.getsockname()[1]}",
            database_url=database.serving_url(),
            database_owner_url=database.owner_url(),
            redis_url=cache.url,
            sandbox_url=sandbox_url,
        )
        env = _environment(addresses, data)
        settings = Settings.model_validate({name.removeprefix("PHAYA_").lower(): env[name] for name in env})
        supervisor = stack.enter_context(supervised(data, say=say))
        supervisor.start(database.part(), cache.part(), _scaled(sandbox_part(sandbox_url, data)))
        supervisor.run(seed_part(env, data))
        owner = settings.model_copy(update={"database_url": settings.database_owner_url})
        asyncio.run(_prepared(owner, prepare))
        one_of_each = phaya_parts(settings, addresses, env, data, listener.fileno())
        parts = [
            _by(program, _marked(part, data / f"{part.name}-{number}.ready"))
            for part in one_of_each for number in range(copies[part.name])
        ]
        supervisor.start(*parts)
        yield Stack(supervisor, settings, addresses.api_url, sandbox_url, owner, data)


async def _prepared(owner: Settings, prepare: Prepare) -> None:
    database = Database(owner)
    await prepare(database)
    await database.close()


def _environment(addresses: Addresses, data: Path) -> dict[str, str]:
    base = Settings(environment=Environment.EMBEDDED, kie_api_keys=())
    special = SETTINGS | {"kie_api_keys": ",".join(KIE_KEYS), "work_dir": str(data / "work")}
    return environment(base, addresses, data) | {f"PHAYA_{name.upper()}": value for name, value in special.items()}


def _scaled(sandbox: Part) -> Part:
    return replace(sandbox, command=(*sandbox.command, "--time-scale", str(TIME_SCALE)))


def _marked(part: Part, mark: Path) -> Part:
    """The same part with a file of its own to say that it is ready, where it says so by a file."""
    words = list(part.command)
    if "--ready-file" not in words:
        return part

    def is_ready(pid: int) -> bool:
        return mark.exists() and mark.read_text() == str(pid)

    words[words.index("--ready-file") + 1] = str(mark)
    return replace(part, command=tuple(words), is_ready=is_ready)


def _by(program: Sequence[str], part: Part) -> Part:
    words = list(part.command)
    at = words.index("-m")
    return replace(part, command=(*words[:at], *program, *words[at + 2 :]))
