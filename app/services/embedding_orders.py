"""What texts to be embedded are ordered as."""

from collections.abc import Mapping
from typing import Any

from app.catalog.language.embedding import EmbeddingRequest, embedding_body, input_bound
from app.catalog.language.prices import EMBEDDING
from app.services.broker import Broker
from app.services.order_call import Order


async def embedding_order(broker: Broker, asked: EmbeddingRequest, raw: Mapping[str, Any]) -> Order:
    """The order for a request whose validated body is `raw`. Raises NotFound for a model that nobody offers."""
    body = embedding_body(raw)
    return Order(
        service=EMBEDDING,
        route="/embeddings",
        model=await broker.models.find_embedding(asked.model),
        body=body,
        prompt_tokens=input_bound(body),
    )
