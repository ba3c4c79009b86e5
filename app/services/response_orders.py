"""What a response is ordered as."""

from collections.abc import Mapping
from typing import Any

from app.catalog.language.chat import SEARCHES_MOST, prompt_bound
from app.catalog.language.responses import ResponseRequest, response_body, response_parts
from app.services.broker import Broker
from app.services.order_call import Order

SERVICE = "responses"


async def response_order(broker: Broker, asked: ResponseRequest, raw: Mapping[str, Any]) -> Order:
    """The order for a request whose validated body is `raw`. Raises NotFound for a model that nobody offers."""
    model = await broker.models.find_chat(asked.model)
    body = response_body(asked, raw)
    usual = broker.settings.chat_max_tokens
    streams = bool(asked.stream)
    return Order(
        service=SERVICE,
        route="/responses",
        model=model,
        body=body | {"stream": True} if streams else body,
        prompt_tokens=prompt_bound(body, response_parts(body), searches=asked.searches),
        searches=SEARCHES_MOST if asked.searches else 0,
        cap=asked.max_output_tokens or min(usual, model.most_out or usual),
        cap_field="max_output_tokens",
        streams=streams,
    )
