"""OpenAPI of the routes that call language models."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from app.api.openai_errors import openai_status
from app.api.schemas import CREDITS, DESCRIPTIONS, error_responses
from app.catalog.language.chat import ChatRequest
from app.catalog.language.embedding import EmbeddingRequest
from app.catalog.language.responses import ResponseRequest

REQUESTS: tuple[type[BaseModel], ...] = (ChatRequest, EmbeddingRequest, ResponseRequest)

COUNT = {"type": "integer", "minimum": 0}
DETAILS = {"type": ["object", "null"], "description": "Which of them were cached, or thought, as OpenAI counts them"}
CHAT_USAGE = {
    "type": "object",
    "properties": {
        "prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT,
        "prompt_tokens_details": DETAILS, "completion_tokens_details": DETAILS,
    },
    "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
}
CHAT_EXAMPLE = {"messages": [{"role": "user", "content": "สวัสดี"}]}
INPUT_USAGE = {
    "type": "object", "properties": {"prompt_tokens": COUNT, "total_tokens": COUNT},
    "required": ["prompt_tokens", "total_tokens"],
}
VECTOR = {"oneOf": [{"type": "array", "items": {"type": "number"}},
                    {"type": "string", "description": "Little-endian 32-bit floats in base64, if that was asked for"}]}
VECTORS = {"type": "array", "items": {
    "type": "object", "properties": {"object": {"const": "embedding"}, "index": COUNT, "embedding": VECTOR},
    "required": ["object", "index", "embedding"],
}}
EMBEDDING_EXAMPLE = {"input": ["คลิปแรก", "คลิปที่สอง"]}
OPENAI_CHAT_EXAMPLE = {"model": "gpt-5.4-mini", **CHAT_EXAMPLE}
RESPONSE_EXAMPLE = {"model": "gpt-5.4-mini", "input": "สวัสดี"}
# In truth a vector has 4,096 numbers.
EXAMPLE_VECTORS = [
    {"object": "embedding", "index": index, "embedding": [-0.0181, 0.0038, -0.0186]} for index in range(2)
]
OPENAI_ERROR = {
    "type": "object", "required": ["error"],
    "properties": {"error": {
        "type": "object", "required": ["message", "type", "param", "code"],
        "properties": {
            "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]},
            "code": {"type": "string"}, "required": CREDITS, "credits_balance": CREDITS, "available": CREDITS,
        },
    }},
}
CALL_ERRORS = error_responses(400, 401, 402, 403, 409, 413, 422, 429, 502, 503)


def openai_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route that speaks as OpenAI does."""
    content = {"application/json": {"schema": OPENAI_ERROR}}
    descriptions = DESCRIPTIONS | {404: "No such model"}
    return {openai_status(status): {"description": descriptions[status], "content": content} for status in statuses}


OPENAI_CALL_ERRORS = openai_errors(400, 401, 402, 403, 404, 409, 413, 429, 502, 503)


def language_request_schemas() -> dict[str, Any]:
    """Every request model, with what it refers to, as OpenAPI components."""
    schemas: dict[str, Any] = {}
    for model in REQUESTS:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    return schemas


def language_request(model: type[BaseModel], example: Mapping[str, object]) -> dict[str, Any]:
    """The body and the parameters of a paid call."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": dict(example)}
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "parameters": [
            {"name": "dry_run", "in": "query", "required": False, "schema": {"type": "boolean"},
             "description": "Answer the most that it can cost, and call nobody"},
            {"name": "Idempotency-Key", "in": "header", "required": False,
             "schema": {"type": "string", "minLength": 1, "maxLength": 255},
             "description": "The same key and body give the same answer again, for 24 hours"},
        ],
    }


def answer(
    properties: Mapping[str, object], example: object = None, *, streams: bool = False, echoes: Sequence[str] = ()
) -> dict[str, Any]:
    """An answer with these fields, and those that say in OpenAI's way what was asked for; `streams`: or the same in
    server-sent events."""
    named = {**properties, **{name: {"description": "As OpenAI has it"} for name in echoes}}
    schema = {"type": "object", "properties": named, "required": list(properties)}
    content: dict[str, Any] = {"application/json": {"schema": schema} | ({"example": example} if example else {})}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": "OK", "content": content}


FLAT_CHAT = answer(
    {
        "success": {"const": True}, "id": {"type": "string"}, "model": {"type": "string"},
        "message": {
            "type": "object",
            "properties": {
                "role": {"const": "assistant"}, "content": {"type": "string"},
                "annotations": {"type": "array", "items": {"type": "object"}, "description": "What a search found"},
            },
            "required": ["role", "content"],
        },
        "usage": CHAT_USAGE, "credits_used": CREDITS, "finish_reason": {"type": "string"},
    },
    {"success": True, "id": "gen-1764000000-AbCdEfGh", "model": "Phaya-GPT",
     "message": {"role": "assistant", "content": "สวัสดีครับ"},
     "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}, "credits_used": 0.000466,
     "finish_reason": "stop"},
    streams=True,
)
MODELS = answer({
    "success": {"const": True}, "default": {"type": "string"},
    "models": {"type": "array", "items": {
        "type": "object",
        "properties": {
            "id": {"type": "string"}, "name": {"type": "string"}, "context_length": {"type": ["integer", "null"]},
            "supports": {"type": "array", "items": {"enum": ["chat", "vision", "tools", "stream"]}},
        },
        "required": ["id", "name", "context_length", "supports"],
    }},
})
PRICING = answer({
    "success": {"const": True}, "model": {"type": "string"}, "currency": {"const": "THB"},
    "unit": {"const": "per_million_tokens"}, "input": CREDITS, "output": CREDITS,
    "models": {"type": "object", "additionalProperties": {
        "type": "object", "properties": {"input": CREDITS, "output": CREDITS}, "required": ["input", "output"],
    }},
})
OWN_EMBEDDING = answer(
    {
        "success": {"const": True}, "id": {"type": "string"}, "model": {"type": "string"}, "data": VECTORS,
        "usage": INPUT_USAGE, "credits_used": CREDITS,
    },
    {"success": True, "id": "gen-1764000000-AbCdEfGh", "data": EXAMPLE_VECTORS, "model": "Phaya Text Embedding",
     "usage": {"prompt_tokens": 7, "total_tokens": 7}, "credits_used": 0.0000196},
)
EMBEDDING_PRICING = answer({
    "success": {"const": True}, "model": {"type": "string"}, "currency": {"const": "THB"},
    "unit": {"const": "per_million_tokens"}, "input": CREDITS, "dimensions": COUNT,
})
OPENAI_CHAT = answer(
    {
        "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": COUNT, "model": {"type": "string"},
        "choices": {"type": "array", "items": {
            "type": "object",
            "properties": {
                "index": COUNT, "message": {"type": "object"}, "finish_reason": {"type": "string"},
                "logprobs": {"type": ["object", "null"]},
            },
            "required": ["index", "message", "finish_reason"],
        }},
        "usage": CHAT_USAGE, "credits_used": CREDITS,
    },
    {"id": "gen-1764000000-AbCdEfGh", "object": "chat.completion", "created": 1764000000,
     "choices": [{"index": 0, "message": {"role": "assistant", "content": "สวัสดีครับ"}, "logprobs": None,
                  "finish_reason": "stop"}],
     "model": "gpt-5.4-mini", "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
     "credits_used": 0.000324},
    streams=True,
)
OPENAI_EMBEDDINGS = answer(
    {
        "object": {"const": "list"}, "data": VECTORS, "model": {"type": "string"}, "usage": INPUT_USAGE,
        "credits_used": CREDITS,
    },
    {"object": "list", "data": EXAMPLE_VECTORS, "model": "qwen/qwen3-embedding-8b",
     "usage": {"prompt_tokens": 7, "total_tokens": 7}, "credits_used": 0.0000196},
)
OPENAI_RESPONSE = answer(
    {
        "id": {"type": "string"}, "object": {"const": "response"}, "created_at": COUNT, "model": {"type": "string"},
        "status": {"enum": ["completed", "incomplete"]}, "output": {"type": "array", "items": {"type": "object"}},
        "usage": {
            "type": "object",
            "properties": {
                "input_tokens": COUNT, "output_tokens": COUNT, "total_tokens": COUNT,
                "input_tokens_details": DETAILS, "output_tokens_details": DETAILS,
            },
            "required": ["input_tokens", "output_tokens", "total_tokens"],
        },
        "credits_used": CREDITS,
    },
    {"id": "resp_1764000000-AbCdEfGh", "object": "response", "created_at": 1764000000, "status": "completed",
     "output": [{"type": "message", "id": "msg_AbCdEfGh", "role": "assistant", "status": "completed",
                 "content": [{"type": "output_text", "text": "สวัสดีครับ", "annotations": []}]}],
     "model": "gpt-5.4-mini", "usage": {"input_tokens": 5, "output_tokens": 4, "total_tokens": 9},
     "credits_used": 0.000324},
    streams=True,
    echoes=(
        "completed_at", "incomplete_details", "error", "previous_response_id", "store", "instructions",
        "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning", "temperature", "text", "tool_choice",
        "tools", "top_p",
    ),
)
_MODEL = {
    "type": "object",
    "properties": {
        "id": {"type": "string"}, "object": {"const": "model"}, "created": COUNT, "owned_by": {"type": "string"},
    },
    "required": ["id", "object", "created", "owned_by"],
}
OPENAI_MODEL = {"description": "OK", "content": {"application/json": {"schema": _MODEL}}}
OPENAI_MODELS = answer({"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL}})
