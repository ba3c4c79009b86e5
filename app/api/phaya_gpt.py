"""Chat under the product's own name (contract 3.1 and 3.2)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from app.api.answers import json_answer
from app.api.chat_answers import ChatForm
from app.api.deps import BrokerDep, Caller, authenticate, broker_of, parse_checked, read_body, require_scope
from app.api.hot import HotRoutes
from app.api.language_calls import answer_call, answer_stream
from app.api.language_schemas import CALL_ERRORS, CHAT_EXAMPLE, FLAT_CHAT, MODELS, PRICING, language_request
from app.api.schemas import error_responses, or_price
from app.catalog.language.chat import ChatRequest
from app.catalog.language.prices import CHAT
from app.errors import FieldError, Invalid, NotFound
from app.providers.openrouter_models import ListedModel
from app.services.broker import Broker
from app.services.chat_orders import chat_order
from app.services.order_call import Order

TITLE = "Phaya-GPT"
PREFIX = "/api/v1/phaya-gpt"
SCOPES = (CHAT, "llm")
TEMPERATURE = 0.7


def phaya_gpt_routes(hot: HotRoutes) -> APIRouter:
    """The routes of this page."""
    router = APIRouter(prefix=PREFIX, tags=[TITLE])
    hot.creates[f"{PREFIX}/chat/completions"] = complete
    router.add_api_route(
        "/chat/completions", complete, methods=["POST"], operation_id="phaya-gpt-chat",
        summary="Continue a conversation; streamed with `stream`",
        openapi_extra=language_request(ChatRequest, CHAT_EXAMPLE),
        responses={200: or_price(FLAT_CHAT), **CALL_ERRORS},
    )
    router.add_api_route(
        "/models", models, methods=["GET"], operation_id="phaya-gpt-models", summary="The models and what they can",
        responses={200: MODELS, **error_responses(401, 403, 429, 502, 503)},
    )
    router.add_api_route(
        "/pricing", pricing, methods=["GET"], operation_id="phaya-gpt-pricing", summary="What tokens cost",
        responses={200: PRICING, **error_responses(401, 403, 429, 502, 503)},
    )
    return router


async def complete(request: Request) -> Response:
    """A chat completion, flat or in chunks."""
    key = await authenticate(request)
    require_scope(key, *SCOPES)
    body = await read_body(request)
    asked, raw = parse_checked(ChatRequest, body)
    order = await _order(broker_of(request), asked, raw)
    form = ChatForm(model=TITLE, is_flat=True, shows_usage=True)
    answer = answer_stream if order.streams else answer_call
    return await answer(request, key, order, form, body=body)


@contextmanager
def naming_model() -> Iterator[None]:
    """A model that does not exist is a bad value of a field here; what is not found is a job or a route."""
    try:
        yield
    except NotFound as error:
        field: FieldError = {"loc": ("body", "model"), "msg": error.message, "type": "enum"}
        raise Invalid(f"model: {error.message}", fields=[field]) from error


async def _order(broker: Broker, asked: ChatRequest, raw: dict[str, Any]) -> Order:
    with naming_model():
        order = await chat_order(broker, asked, raw)
    is_default = order.model.id == broker.settings.chat_default_model
    # Other models refuse a temperature that they do not know; nobody asked for one here.
    if asked.temperature is None and is_default:
        return replace(order, body={**order.body, "temperature": TEMPERATURE})
    return order


async def models(broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, *SCOPES)
    default = broker.settings.chat_default_model
    listed = await broker.models.list_chat()
    ordered = sorted(listed, key=lambda model: (model.id != default, model.id))
    return json_answer({"success": True, "default": default, "models": [_shown(it, default) for it in ordered]})


def _shown(model: ListedModel, default: str) -> dict[str, object]:
    supports = ["chat", "vision" if "image" in model.inputs else None, "tools" if "tools" in model.parameters else None,
                "stream"]
    return {
        "id": model.id, "name": TITLE if model.id == default else model.name, "context_length": model.context_length,
        "supports": [word for word in supports if word],
    }


async def pricing(broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, *SCOPES)
    own = (await broker.models.find_chat(None)).price
    priced = [await broker.models.price_of(model) for model in await broker.models.list_chat()]
    return json_answer({
        "success": True, "model": TITLE, "currency": "THB", "unit": "per_million_tokens",
        "input": own.rate("input"), "output": own.rate("output"),
        "models": {it.id: {"input": it.price.rate("input"), "output": it.price.rate("output")} for it in priced},
    })
