"""Embeddings under the product's own name (contract 3.3)."""

from fastapi import APIRouter, Request, Response

from app.api.answers import json_answer
from app.api.deps import BrokerDep, Caller, authenticate, broker_of, parse_checked, read_body, require_scope
from app.api.embedding_answers import EmbeddingForm
from app.api.hot import HotRoutes
from app.api.language_calls import answer_call
from app.api.language_schemas import (
    CALL_ERRORS,
    EMBEDDING_EXAMPLE,
    EMBEDDING_PRICING,
    OWN_EMBEDDING,
    language_request,
)
from app.api.phaya_gpt import naming_model
from app.api.schemas import error_responses, or_price
from app.catalog.language.embedding import EmbeddingRequest
from app.catalog.language.prices import EMBEDDING, EMBEDDING_DIMENSIONS
from app.services.embedding_orders import embedding_order

TITLE = "Phaya Text Embedding"
PREFIX = "/api/v1/embedding"
SCOPES = (EMBEDDING, "llm")


def embedding_routes(hot: HotRoutes) -> APIRouter:
    """The routes of this page."""
    router = APIRouter(prefix=PREFIX, tags=["Embedding"])
    hot.creates[f"{PREFIX}/create"] = create
    router.add_api_route(
        "/create", create, methods=["POST"], operation_id="embedding-create", summary="Turn texts into vectors",
        openapi_extra=language_request(EmbeddingRequest, EMBEDDING_EXAMPLE),
        responses={200: or_price(OWN_EMBEDDING), **CALL_ERRORS},
    )
    router.add_api_route(
        "/pricing", pricing, methods=["GET"], operation_id="embedding-pricing", summary="What tokens cost",
        responses={200: EMBEDDING_PRICING, **error_responses(401, 403, 429)},
    )
    return router


async def create(request: Request) -> Response:
    """Vectors for texts, in their order."""
    key = await authenticate(request)
    require_scope(key, *SCOPES)
    body = await read_body(request)
    asked, raw = parse_checked(EmbeddingRequest, body)
    with naming_model():
        order = await embedding_order(broker_of(request), asked, raw)
    return await answer_call(request, key, order, EmbeddingForm(asked, TITLE, is_own=True), body=body)


async def pricing(broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, *SCOPES)
    price = (await broker.models.find_embedding(None)).price
    return json_answer({
        "success": True, "model": TITLE, "currency": "THB", "unit": "per_million_tokens",
        "input": price.rate("input"), "dimensions": EMBEDDING_DIMENSIONS,
    })
