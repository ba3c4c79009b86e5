"""Suno's legacy routes (kie.md 4)."""

from starlette.routing import Route

from app.sandbox.exchange import Call, Refused, endpoint
from app.sandbox.kie.creating import accept, begin_create, find_task, read_values
from app.sandbox.kie.legacy import SUNO_LEGACY, SUNO_NAMES, renamed
from app.sandbox.kie.records import suno_record
from app.sandbox.kie.wire import PROVIDER, envelope
from app.sandbox.tasks import Dialect, JsonObject
from app.sandbox.world import World


def routes(world: World) -> list[Route]:
    """`/api/v1/generate` and its query."""
    return [
        Route("/api/v1/generate", endpoint(world, PROVIDER, envelope, generate), methods=["POST"]),
        Route("/api/v1/generate/record-info", endpoint(world, PROVIDER, envelope, record_info), methods=["GET"]),
    ]


async def generate(call: Call) -> JsonObject:
    """Accept a song. The callback address is required here, and only here."""
    request = begin_create(call)
    values = renamed(request, SUNO_NAMES)
    call.model = str(values.get("model") or "")
    read_values(call, values)
    if not call.callback_url:
        raise Refused(422, "Please enter callBackUrl")
    task = await accept(call, Dialect.SUNO, SUNO_LEGACY, request, values)
    return {"taskId": task.id}


async def record_info(call: Call) -> JsonObject:
    """The state of a song as of now."""
    return suno_record(find_task(call, Dialect.SUNO), call.world.now())
