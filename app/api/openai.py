"""The OpenAI-compatible routes: one implementation under three prefixes, for SDKs append their paths to any base
(contract 3.4 and 3.5)."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from app.accounts.keys import KeyRecord
from app.api.answers import json_answer
from app.api.chat_answers import ChatForm
from app.api.deps import BrokerDep, Caller, authenticate, broker_of, parse_checked, read_body, require_scope
from app.api.embedding_answers import EmbeddingForm
from app.api.hot import HotRoutes
from app.api.language_calls import answer_call, answer_stream
from app.api.language_schemas import (
    EMBEDDING_EXAMPLE,
    OPENAI_CALL_ERRORS,
    OPENAI_CHAT,
    OPENAI_CHAT_EXAMPLE,
    OPENAI_EMBEDDINGS,
    OPENAI_MODEL,
    OPENAI_MODELS,
    OPENAI_RESPONSE,
    RESPONSE_EXAMPLE,
    language_request,
    openai_errors,
)
from app.api.response_answers import ResponseForm
from app.api.schemas import or_price
from app.catalog.language.chat import ChatRequest
from app.catalog.language.embedding import EmbeddingRequest
from app.catalog.language.prices import CHAT, EMBEDDING
from app.catalog.language.responses import ResponseRequest
from app.errors import NotFound
from app.services.chat_orders import chat_order
from app.services.embedding_orders import embedding_order
from app.services.model_book import OfferedModel
from app.services.response_orders import response_order

CANONICAL = "/v1"
ALIASES = ("", "/api/v1")
CHAT_SCOPES = (CHAT, "llm")
EMBEDDING_SCOPES = (EMBEDDING, "llm")
TAG = "OpenAI-compatible"


def openai_routes(hot: HotRoutes) -> APIRouter:
    """All routes of all prefixes. The aliases are not described: they are the same."""
    router = APIRouter(tags=[TAG])
    for prefix in (CANONICAL, *ALIASES):
        _add_calls(router, hot, prefix)
        _add_models(router, prefix)
    return router


Endpoint = Callable[[Request], Awaitable[Response]]


def _add_calls(router: APIRouter, hot: HotRoutes, prefix: str) -> None:
    calls: tuple[tuple[str, Endpoint, str, dict[str, Any], dict[str, Any]], ...] = (
        ("/chat/completions", chat, "Continue a conversation; streamed with `stream`",
         language_request(ChatRequest, OPENAI_CHAT_EXAMPLE), OPENAI_CHAT),
        ("/embeddings", embeddings, "Turn texts into vectors",
         language_request(EmbeddingRequest, EMBEDDING_EXAMPLE), OPENAI_EMBEDDINGS),
        ("/responses", responses, "Answer; streamed in typed events with `stream`",
         language_request(ResponseRequest, RESPONSE_EXAMPLE), OPENAI_RESPONSE),
    )
    for path, endpoint, summary, described, answer in calls:
        hot.creates[prefix + path] = endpoint
        router.add_api_route(
            prefix + path, endpoint, methods=["POST"], summary=summary, openapi_extra=described,
            operation_id=f"openai-{path.strip('/').replace('/', '-')}", include_in_schema=prefix == CANONICAL,
            responses={200: or_price(answer), **OPENAI_CALL_ERRORS},
        )


def _add_models(router: APIRouter, prefix: str) -> None:
    is_described = prefix == CANONICAL
    router.add_api_route(
        f"{prefix}/models", models, methods=["GET"], summary="The ids that `model` may have",
        operation_id="openai-models", include_in_schema=is_described,
        responses={200: OPENAI_MODELS, **openai_errors(401, 403, 429, 502, 503)},
    )
    # The ids hold slashes, which old SDKs send as they are and new ones escape.
    router.add_api_route(
        f"{prefix}/models/{{model_id:path}}", model, methods=["GET"], summary="One of them",
        operation_id="openai-model", include_in_schema=is_described,
        responses={200: OPENAI_MODEL, **openai_errors(401, 403, 404, 429, 502, 503)},
    )


async def chat(request: Request) -> Response:
    """A chat completion in OpenAI's form."""
    key, body = await _ask(request, CHAT_SCOPES)
    asked, raw = parse_checked(ChatRequest, body)
    broker = broker_of(request)
    order = await chat_order(broker, asked, raw)
    shows_usage = asked.stream_options is not None and asked.stream_options.include_usage
    form = ChatForm(asked.model or order.model.id, is_flat=False, shows_usage=shows_usage)
    answer = answer_stream if order.streams else answer_call
    return await answer(request, key, order, form, body=body)


async def embeddings(request: Request) -> Response:
    """Vectors in OpenAI's form."""
    key, body = await _ask(request, EMBEDDING_SCOPES)
    asked, raw = parse_checked(EmbeddingRequest, body)
    order = await embedding_order(broker_of(request), asked, raw)
    form = EmbeddingForm(asked, asked.model or order.model.id, is_own=False)
    return await answer_call(request, key, order, form, body=body)


async def responses(request: Request) -> Response:
    """A response in OpenAI's form."""
    key, body = await _ask(request, CHAT_SCOPES)
    asked, raw = parse_checked(ResponseRequest, body)
    order = await response_order(broker_of(request), asked, raw)
    form = ResponseForm(asked.model or order.model.id, raw)
    answer = answer_stream if order.streams else answer_call
    return await answer(request, key, order, form, body=body)


async def _ask(request: Request, scopes: tuple[str, ...]) -> tuple[KeyRecord, bytes]:
    key = await authenticate(request)
    require_scope(key, *scopes)
    return key, await read_body(request)


async def models(broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, *CHAT_SCOPES, *EMBEDDING_SCOPES)
    return json_answer({"object": "list", "data": [_shown(it) for it in await broker.models.offered()]})


async def model(broker: BrokerDep, key: Caller, model_id: str) -> Response:
    require_scope(key, *CHAT_SCOPES, *EMBEDDING_SCOPES)
    found = next((it for it in await broker.models.offered() if it.id == model_id), None)
    if found is None:
        raise NotFound(f"The model {model_id!r} does not exist", code="model_not_found")
    return json_answer(_shown(found))


def _shown(it: OfferedModel) -> dict[str, object]:
    return {"id": it.id, "object": "model", "created": it.created, "owned_by": it.owner}
