"""`POST /embeddings`: unit vectors, equal for equal input."""

import asyncio
import base64
import hashlib
import struct
from functools import lru_cache
from typing import Any

import orjson
from starlette.responses import Response

from app.sandbox import tokens
from app.sandbox.directives import without_directives
from app.sandbox.exchange import Call, Refused
from app.sandbox.openrouter.catalogue import MODELS, Model, find_model
from app.sandbox.openrouter.generating import BROKEN, FIRST_TOKEN_S, new_id, open_request
from app.sandbox.openrouter.listing import shown
from app.sandbox.openrouter.wire import PROVIDER, require_money
from app.sandbox.records import Charge
from app.sandbox.replies import json_reply
from app.sandbox.tasks import JsonObject

DEFAULT = "qwen/qwen3-embedding-8b"
LEAST_SIZE = 32


async def embed(call: Call) -> Response:
    """A vector for each input, in order."""
    body = open_request(call)
    call.model = str(body.get("model") or DEFAULT)
    texts = _texts(body.get("input"))
    call.text = texts[0]
    asked = call.obey("\n".join(texts))
    model = _model(call)
    size = _size(body, model)
    require_money(call)
    await asyncio.sleep(FIRST_TOKEN_S * call.world.config.time_scale if asked.slow is None else asked.slow)
    if asked.fail:
        raise Refused(502, BROKEN)
    read = [without_directives(text) for text in texts]
    used = sum(tokens.count(text) for text in read)
    cost = used * model.prompt if asked.cost is None else asked.cost
    call.task_id = new_id(call)
    call.world.books.charge(Charge(call.task_id, PROVIDER, model.id, call.key, call.world.now(), cost, call.text))
    encode = _base64 if body.get("encoding_format") == "base64" else list
    vectors = [{"object": "embedding", "index": number, "embedding": encode(vector(text, size))}
               for number, text in enumerate(read)]
    usage = {"prompt_tokens": used, "total_tokens": used, "cost": cost, "is_byok": False}
    answer = {"object": "list", "id": call.task_id, "model": call.model, "data": vectors, "usage": usage}
    return json_reply(answer, headers={"x-generation-id": call.task_id})


async def models(call: Call) -> JsonObject:
    """The models that embed."""
    call.obey()
    found = [shown(model) for model in MODELS.values() if "embeddings" in model.outputs]
    return {"data": found, "total_count": len(found), "links": {"next": None}}


def _model(call: Call) -> Model:
    model = find_model(call.model)
    if model is None:
        raise Refused(400, f"{call.model} is not a valid model ID")
    if "embeddings" not in model.outputs:
        raise Refused(404, f"No endpoints found that support embeddings for {call.model}")
    return model


def _texts(given: Any) -> list[str]:
    """Each input as a text: a string, a list of tokens, or the text parts of a multimodal one. Raises Refused."""
    items = given if isinstance(given, list) and not _is_tokens(given) else [given]
    texts = [_text(item) for item in items]
    if not texts or not all(texts):
        raise Refused(400, "input must not be empty")
    return texts


def _is_tokens(given: list[Any]) -> bool:
    return bool(given) and all(isinstance(item, int) for item in given)


def _text(item: Any) -> str:
    match item:
        case str():
            return item
        case list() if _is_tokens(item):
            return orjson.dumps(item).decode()
        case {"content": list(parts)}:
            return "\n".join(str(part.get("text") or part.get("image_url")) for part in parts if isinstance(part, dict))
        case _:
            return ""


def _size(body: JsonObject, model: Model) -> int:
    size = body.get("dimensions") or model.vector_size
    if not isinstance(size, int) or not LEAST_SIZE <= size <= model.vector_size:
        raise Refused(400, f"dimensions must be {LEAST_SIZE} to {model.vector_size}")
    return size


@lru_cache(maxsize=256)
def vector(text: str, size: int) -> tuple[float, ...]:
    """The text's vector of length 1; a shorter one is the beginning of the long one, stretched to length 1."""
    raw = struct.unpack(f"{size}b", hashlib.shake_128(text.encode()).digest(size))
    length = sum(part * part for part in raw) ** 0.5 or 1.0
    return tuple(part / length for part in raw)


def _base64(numbers: tuple[float, ...]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
