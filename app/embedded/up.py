"""`phaya up`: a whole stack in one terminal, until Ctrl-C."""

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from app.config import Environment, Settings
from app.embedded import announcement, folder, postgres, valkey
from app.embedded.announcement import Stack
from app.embedded.orphans import end_orphans
from app.embedded.ports import LOOPBACK, free_port
from app.embedded.stack import Addresses, environment, phaya_parts, sandbox_part, seed_part
from app.embedded.supervisor import Stop, supervised
from app.embedded.welcome import welcome
from app.errors import EmbeddedError

BACKLOG = 2_048
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command's flags. Port 0 takes a free one."""

    port: int
    data: Path
    ready_file: Path | None
    sandbox: bool


def run(options: Options, *, say: Say) -> None:
    """Start everything, keep it running, and stop it on SIGINT, SIGTERM or SIGHUP.

    Raises EmbeddedError when it cannot start: a taken port or folder, a setting that makes no sense, a part that fails.
    """
    settings = _settings()
    with folder.locked(options.data) as data:
        end_orphans(data / "children.json")
        try:
            _run(options, settings, data, say=say)
        except Stop:
            say("Stopped.")


def _run(options: Options, settings: Settings, data: Path, *, say: Say) -> None:
    began = time.monotonic()
    files = [data / announcement.FILE, *([options.ready_file] if options.ready_file else [])]
    announcement.withdraw(files)  # Those of a killed run would lie.
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(settings.host, options.port))
        say(f"Starting, with the data in {data}")
        passwords = folder.passwords(data)
        database = stack.enter_context(postgres.prepared(data / "postgres", passwords))
        cache = valkey.prepare(data / "redis", passwords.redis)
        addresses = Addresses(
            api_url=f"http://{LOOPBACK}:{listener.getsockname()[1]}",
            database_url=database.serving_url(),
            database_owner_url=database.owner_url(),
            redis_url=cache.url,
            sandbox_url=f"http://{LOOPBACK}:{free_port()}" if options.sandbox else None,
        )
        env = environment(settings, addresses, data)
        supervisor = stack.enter_context(supervised(data, say=say))
        stack.callback(announcement.withdraw, files)

        supervisor.start(database.part(), cache.part())
        supervisor.wait_ready()
        supervisor.start(*([sandbox_part(addresses.sandbox_url, data)] if addresses.sandbox_url else []))
        supervisor.run(seed_part(env, data))
        supervisor.start(*phaya_parts(settings, addresses, env, data, listener.fileno()))
        supervisor.wait_ready()
        running = _describe(addresses, env, data)

        def announce() -> None:
            announcement.write(replace(running, pids=supervisor.pids()), files)

        announce()
        say(welcome(running, data, settings, took_s=time.monotonic() - began))
        supervisor.watch(on_change=announce)


def _describe(addresses: Addresses, env: Mapping[str, str], data: Path) -> Stack:
    keys = folder.read_keys(data)
    if keys is None:
        raise EmbeddedError(f"{data / 'keys.json'} is gone: start again to have new keys")
    return Stack(
        api_url=addresses.api_url,
        sandbox_url=addresses.sandbox_url,
        admin_key=keys.admin_key,
        demo_key=keys.demo_key,
        env=env,
    )


def _settings() -> Settings:
    try:
        return Settings(environment=Environment.EMBEDDED)
    except ValidationError as error:
        problems = [f"PHAYA_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        raise EmbeddedError("\n".join(["Settings that make no sense:", *problems])) from error


def _listen(host: str, port: int) -> socket.socket:
    """The API's socket, open for as long as the stack runs: nobody else gets the port while a process is replaced."""
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        other = "choose another with --port, or --port 0 for any free one"
        raise EmbeddedError(f"Port {port} of {host} cannot be had ({error.strerror}): {other}") from error
