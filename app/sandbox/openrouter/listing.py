"""The list of models."""

from typing import Any

from starlette.requests import Request

from app.sandbox.exchange import Call, Refused
from app.sandbox.openrouter.catalogue import MODELS, Model, find_model, price_text
from app.sandbox.tasks import JsonObject

CREATED = 1_768_435_200
PARAMETERS = ["max_tokens", "temperature", "top_p", "stop", "seed", "tools", "tool_choice", "response_format",
              "structured_outputs", "reasoning", "include_reasoning"]


async def models(call: Call) -> JsonObject:
    """All models of the asked output, whole or paged. Needs no key."""
    call.obey()
    found = [shown(model) for model in _wanted(call.request)]
    limit, offset = (_number(call.request, name) for name in ("limit", "offset"))
    if limit is None and offset is None:
        return {"data": found, "total_count": len(found), "links": {"next": None}}
    first, size = offset or 0, min(limit or 500, 1000)
    more = first + size < len(found)
    link = f"/api/v1/models?limit={size}&offset={first + size}" if more else None
    return {"data": found[first : first + size], "total_count": len(found), "links": {"next": link}}


async def count(call: Call) -> JsonObject:
    """How many there are."""
    call.obey()
    return {"data": {"count": len(_wanted(call.request))}}


async def model(call: Call) -> JsonObject:
    """One model."""
    name = "{author}/{slug}".format(**call.request.path_params)
    call.model = name
    call.obey()
    if found := find_model(name):
        return {"data": shown(found)}
    raise Refused(404, f"Model {name} not found")


def _wanted(request: Request) -> list[Model]:
    output = request.query_params.get("output_modalities", "text")
    words = request.query_params.get("q", "").lower()
    named = [model for model in MODELS.values() if words in f"{model.id} {model.name}".lower()]
    return [model for model in named if output == "all" or set(output.split(",")) & set(model.outputs)]


def _number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise Refused(400, f"{name} must be a whole number")
    return int(value)


def shown(model: Model) -> JsonObject:
    """A model as the list shows it."""
    pricing: dict[str, Any] = {
        "prompt": price_text(model.prompt),
        "completion": price_text(model.completion),
        "request": "0",
        "image": "0",
        "web_search": "0.01",
        "internal_reasoning": "0",
    }
    if model.overrides:
        pricing["overrides"] = list(model.overrides)
    return {
        "id": model.id,
        "canonical_slug": f"{model.id}-20260115",
        "name": model.name,
        "created": CREATED,
        "description": "A stand-in.",
        "context_length": model.context,
        "architecture": {
            "modality": f"{'+'.join(model.inputs)}->{'+'.join(model.outputs)}",
            "input_modalities": model.inputs,
            "output_modalities": model.outputs,
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": pricing,
        "top_provider": {
            "context_length": model.context,
            "max_completion_tokens": model.most_out,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": PARAMETERS if model.is_chat else [],
        "default_parameters": None,
        "supported_voices": None,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
    }
