"""OpenRouter: chat, responses, embeddings, the models and their prices, the key, the record of a generation."""

from starlette.routing import Route

from app.sandbox.exchange import endpoint
from app.sandbox.openrouter import account, chat, embedding, listing, responses
from app.sandbox.openrouter.wire import PROVIDER, wire
from app.sandbox.world import World

PATHS = (
    ("POST", "/chat/completions", chat.complete),
    ("POST", "/responses", responses.respond),
    ("POST", "/embeddings", embedding.embed),
    ("GET", "/embeddings/models", embedding.models),
    ("GET", "/models", listing.models),
    ("GET", "/models/count", listing.count),
    ("GET", "/model/{author}/{slug}", listing.model),
    ("GET", "/generation", account.generation),
    ("GET", "/key", account.key),
    ("GET", "/credits", account.balance),
)


def routes(world: World) -> list[Route]:
    """All routes, relative to `/api/v1`."""
    return [Route(path, endpoint(world, PROVIDER, wire, handler), methods=[method]) for method, path, handler in PATHS]
