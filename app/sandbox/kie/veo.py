"""Veo's legacy routes (kie.md 3)."""

from starlette.routing import Route

from app.sandbox.exchange import Call, Refused, endpoint
from app.sandbox.kie.creating import accept, begin_create, find_task, read_values
from app.sandbox.kie.legacy import VEO_DEFAULT, VEO_LEGACY, VEO_NAMES, renamed
from app.sandbox.kie.records import addresses, veo_record
from app.sandbox.kie.wire import PROVIDER, envelope
from app.sandbox.tasks import Dialect, JsonObject, Phase
from app.sandbox.world import World

LARGER_AFTER_S = 2.0


def routes(world: World) -> list[Route]:
    """`/api/v1/veo/*`."""
    return [
        Route("/api/v1/veo/generate", endpoint(world, PROVIDER, envelope, generate), methods=["POST"]),
        Route("/api/v1/veo/record-info", endpoint(world, PROVIDER, envelope, record_info), methods=["GET"]),
        Route("/api/v1/veo/get-1080p-video", endpoint(world, PROVIDER, envelope, larger), methods=["GET"]),
    ]


async def generate(call: Call) -> JsonObject:
    """Accept a film."""
    request = begin_create(call)
    values = renamed(request, VEO_NAMES)
    call.model = str(values.get("model") or VEO_DEFAULT)
    read_values(call, values)
    task = await accept(call, Dialect.VEO, VEO_LEGACY, request, values)
    return {"taskId": task.id}


async def record_info(call: Call) -> JsonObject:
    """The state of a film as of now."""
    return veo_record(find_task(call, Dialect.VEO), call.world.now())


async def larger(call: Call) -> JsonObject:
    """The film in 1080p, some time after it succeeded."""
    task = find_task(call, Dialect.VEO)
    now = call.world.now()
    if task.phase(now) is not Phase.SUCCESS:
        raise Refused(422, "The record is not successful")
    if now < task.ends_at + LARGER_AFTER_S * call.world.config.time_scale:
        raise Refused(400, "1080P is processing. It should be ready in 1-2 minutes. Please check back shortly.")
    return {"resultUrl": addresses(task)[0]}
