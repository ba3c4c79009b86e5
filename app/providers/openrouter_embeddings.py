"""Vectors of OpenRouter (openrouter.md 8)."""

import base64
import binascii
import struct
from typing import Any

import orjson

from app.errors import Broken, Rejected, Unclear
from app.providers.openrouter_errors import read_error_object
from app.providers.openrouter_usage import Said, read_usage

FLOAT_BYTES = 4


def read_embeddings(content: bytes, *, count: int, dimensions: int | None) -> Said:
    """`count` vectors in the order of their inputs, each as it came: numbers, or little-endian floats in base64.

    Raises Rejected for vectors that were not shortened to `dimensions`, Broken for an answer that lacks some, Unclear
    for one that cannot be understood.
    """
    try:
        body: dict[str, Any] = orjson.loads(content)
        if "error" in body:
            raise read_error_object(body["error"])
        usage = read_usage(body.get("usage"))
        items = sorted(enumerate(body["data"]), key=lambda item: item[1].get("index", item[0]))
        vectors = [item["embedding"] for _, item in items]
        lengths = {_length_of(vector) for vector in vectors}
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise Unclear(
            "The provider's answer was lost", detail=f"{type(error).__name__} in {len(content)} bytes"
        ) from error
    if usage is None:
        raise Unclear("The provider's answer was lost", detail="no usage")
    if len(vectors) != count or len(lengths) != 1 or 0 in lengths:
        raise Broken("The provider did not embed every input", detail=f"{len(vectors)} of lengths {lengths}")
    if dimensions is not None and lengths != {dimensions}:
        raise Rejected(f"The model cannot make vectors of {dimensions} dimensions", detail=str(lengths))
    return Said({"id": str(body.get("id") or ""), "vectors": vectors}, usage)


def _length_of(vector: list[float] | str) -> int:
    return len(base64.b64decode(vector, validate=True)) // FLOAT_BYTES if isinstance(vector, str) else len(vector)


def as_numbers(vector: list[float] | str) -> list[float]:
    """The vector as numbers."""
    if not isinstance(vector, str):
        return vector
    return [number for (number,) in struct.iter_unpack("<f", base64.b64decode(vector))]


def as_base64(vector: list[float] | str) -> str:
    """The vector as little-endian floats in base64."""
    return vector if isinstance(vector, str) else base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
