"""Google's speech models: both dialects of the request, whole and streamed (gemini-tts.md)."""

from starlette.routing import Route

from app.sandbox.exchange import endpoint
from app.sandbox.gemini import listing, speaking
from app.sandbox.gemini.wire import PROVIDER, wire
from app.sandbox.world import World


def routes(world: World) -> list[Route]:
    """All routes of one version. The method stands after a colon in the last part of the path."""
    return [
        Route("/models", endpoint(world, PROVIDER, wire, listing.models), methods=["GET"]),
        Route("/voices", endpoint(world, PROVIDER, wire, listing.voices), methods=["GET"]),
        Route("/models/{call}", endpoint(world, PROVIDER, wire, speaking.call_model), methods=["POST"]),
    ]
