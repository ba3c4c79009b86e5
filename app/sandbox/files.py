"""`/files`: the results of tasks, made when they are asked for, and the uploads."""

import asyncio
from functools import partial

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.sandbox.directives import Directives
from app.sandbox.kie.models import media_of
from app.sandbox.replies import Severed
from app.sandbox.store import content_type
from app.sandbox.tasks import Phase, Task
from app.sandbox.world import World

WEB_PAGE = b"<!doctype html><title>Sorry</title><p>This is no picture, and no film either.</p>"


def routes(world: World) -> list[Route]:
    """`/files/{task}/{number}.{extension}` and `/files/uploads/{path}`."""
    return [
        Route("/files/uploads/{path:path}", partial(upload, world), methods=["GET"]),
        Route("/files/{task_id}/{number:int}.{extension}", partial(result, world), methods=["GET"]),
    ]


async def upload(world: World, request: Request) -> Response:
    """An uploaded file."""
    asked = world.faults.take("files", request.url.path, "")
    path = request.path_params["path"]
    file = world.store.find(path)
    if file is None or asked.expired_file:
        return Response("Not found", 404)
    return FileResponse(file, media_type=content_type(path))


async def result(world: World, request: Request) -> Response:
    """A result file, once its task has succeeded and until it expires."""
    task = world.books.tasks.get(request.path_params["task_id"])
    asked = world.faults.take("files", request.url.path, task.model if task else "")
    if task is None:
        return Response("Not found", 404)
    asked |= task.directives
    media = media_of(task)
    number = request.path_params["number"]
    if number >= len(media) or not _alive(world, task, asked):
        return Response("Not found", 404)
    if asked.http is not None:
        return Response("Ordered by a fault", asked.http)
    await asyncio.sleep(asked.stall or 0)
    if asked.wrong_file:
        return Response(WEB_PAGE, media_type="text/html")
    file = await world.studio.make(media[number], task.id)
    if asked.cut_file:
        return Severed(file[: len(file) // 2], media_type=media[number].content_type)
    return Response(file, media_type=media[number].content_type)


def _alive(world: World, task: Task, asked: Directives) -> bool:
    now = world.now()
    expired = asked.expired_file or now > task.ends_at + world.config.files_live_s
    return task.phase(now) is Phase.SUCCESS and not expired
