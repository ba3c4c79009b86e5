"""The sandbox as an ASGI application: where each stand-in is mounted.

    /kie                 KIE.ai, API and upload host in one (PHAYA_KIE_BASE_URL, PHAYA_KIE_UPLOAD_URL)
    /openrouter/api/v1   OpenRouter (PHAYA_OPENROUTER_BASE_URL)
    /gemini              Google's speech models (PHAYA_GEMINI_BASE_URL)
    /whisper/v1          a Whisper host (PHAYA_WHISPER_BASE_URL)
    /files               results and uploads
    /control             books, faults, reset (`control.py`)
    /health              `{"status": "ok"}`
"""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from app.sandbox import control, files, gemini, openrouter, whisper
from app.sandbox.books import Books
from app.sandbox.callbacks import Callback, Callbacks
from app.sandbox.config import SandboxConfig
from app.sandbox.exchange import shown_key
from app.sandbox.faults import Faults
from app.sandbox.journal import Journal
from app.sandbox.kie import account, jobs, suno, uploads, veo
from app.sandbox.kie.messages import callbacks_of
from app.sandbox.limits import Limits
from app.sandbox.media.studio import Studio
from app.sandbox.records import Asked
from app.sandbox.replies import json_reply
from app.sandbox.store import Store
from app.sandbox.world import World


def create_app(config: SandboxConfig) -> Starlette:
    """One sandbox. It must run under `server.SeverableProtocol`, which can break connections when told to."""
    scratch = tempfile.TemporaryDirectory(prefix="phaya-sandbox-")
    world = make_world(config, config.data_dir or Path(scratch.name))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        resume(world)
        yield
        await world.callbacks.close()
        world.studio.close()
        world.books.close()
        scratch.cleanup()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Mount("/kie", routes=kie_routes(world)),
            Mount("/openrouter/api/v1", routes=openrouter.routes(world)),
            Mount("/gemini/v1beta", routes=gemini.routes(world)),
            Mount("/gemini/v1", routes=gemini.routes(world)),
            Mount("/whisper/v1", routes=whisper.routes(world)),
            *files.routes(world),
            *control.routes(world),
            Route("/health", health),
        ],
    )


def kie_routes(world: World) -> list[Route]:
    """All of KIE, relative to its base."""
    return [route for part in (jobs, veo, suno, account, uploads) for route in part.routes(world)]


async def health(_: Request) -> Response:
    """Alive."""
    return json_reply({"status": "ok"})


def make_world(config: SandboxConfig, folder: Path) -> World:
    """Everything a sandbox holds, with its files in the folder; nothing moves yet."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "books.jsonl" if config.data_dir else None)
    books = Books(journal, max_tasks=config.max_tasks, max_requests=config.max_requests)
    return World(
        config=config,
        books=books,
        faults=Faults(),
        limits=Limits(),
        callbacks=Callbacks(config, lambda callback, answer: books.note(sent(callback, answer, books))),
        studio=Studio(folder / "films"),
        store=Store(folder / "uploads"),
    )


def sent(callback: Callback, answer: str, books: Books) -> Asked:
    """A callback as the books show it."""
    task = books.tasks.get(callback.task_id)
    return Asked(
        at=time.time(),
        provider="kie",
        route="callback",
        key=shown_key(task.key) if task else "",
        model=task.model if task else "",
        task_id=callback.task_id,
        answer=answer,
        callback_url=callback.url,
    )


def resume(world: World) -> None:
    """Read the books of an earlier process and send the callbacks that it still owed."""
    world.books.load()
    for task in world.books.tasks.values():
        if task.id not in world.books.called_back:
            for callback in callbacks_of(task):
                world.callbacks.schedule(callback)
