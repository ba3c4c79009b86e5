"""A Whisper host: Together's transcription route, and on demand the answers of other servers."""

from starlette.routing import Route

from app.sandbox.exchange import endpoint
from app.sandbox.whisper import transcribing
from app.sandbox.whisper.wire import PROVIDER, wire
from app.sandbox.world import World


def routes(world: World) -> list[Route]:
    """All routes, relative to `/v1`."""
    return [
        Route("/audio/transcriptions", endpoint(world, PROVIDER, wire, transcribing.transcribe), methods=["POST"]),
        Route("/models", endpoint(world, PROVIDER, wire, transcribing.models), methods=["GET"]),
    ]
