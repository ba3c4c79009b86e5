"""What a chat completion is ordered as."""

from collections.abc import Mapping
from typing import Any

from app.catalog.language.chat import SEARCHES_MOST, ChatRequest, chat_body, chat_parts, prompt_bound
from app.catalog.language.prices import CHAT
from app.services.broker import Broker
from app.services.order_call import Order


async def chat_order(broker: Broker, asked: ChatRequest, raw: Mapping[str, Any]) -> Order:
    """The order for a request whose validated body is `raw`. Raises NotFound for a model that nobody offers."""
    model = await broker.models.find_chat(asked.model)
    body = chat_body(asked, raw)
    usual = broker.settings.chat_max_tokens
    streams = bool(asked.stream)
    return Order(
        service=CHAT,
        route="/chat/completions",
        model=model,
        body=body | {"stream": True} if streams else body,
        prompt_tokens=prompt_bound(body, chat_parts(body), searches=asked.searches),
        searches=SEARCHES_MOST if asked.searches else 0,
        cap=asked.cap or min(usual, model.most_out or usual),
        cap_field="max_tokens",
        streams=streams,
    )
