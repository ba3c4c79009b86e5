"""Bad values of every field of a request, from its JSON schema."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

JsonObject = dict[str, Any]
Bad = tuple[str, dict[str, object]]  # what is wrong, and the body

WRONG_TYPE: Mapping[str, tuple[object, ...]] = {
    "string": (7, ["a"], {}), "integer": ("7", 1.5, True, []), "number": ("0.5", True, []), "boolean": ("true", 1, []),
    "array": ("a", 7, {}), "object": ("a", 7, []),
}
BAD_URLS = ("ftp://example.com/a.png", "file:///etc/passwd", "data:image/png;base64,AAAA", "gs://bucket/a.png", "a.png",
            "http://127.0.0.1:9/a.png", "http://169.254.169.254/latest", "http://user:secret@example.com/a.png")


def bad_bodies(model: type[BaseModel], good: dict[str, object], url_fields: set[str]) -> Iterator[Bad]:
    """Bodies that differ from a good one in one field that must be refused."""
    schema = model.model_json_schema()
    for field in schema.get("required", ()):
        yield f"{field} is missing", {name: value for name, value in good.items() if name != field}
    for field, described in schema["properties"].items():
        for what, value in _bad_values(_resolved(described, schema), schema, is_url=field in url_fields):
            yield f"{field}: {what}", {**good, field: value}
        if field in schema.get("required", ()):
            yield f"{field} is null", {**good, field: None}


def _resolved(described: JsonObject, schema: JsonObject) -> JsonObject:
    """The schema of a value that is there: references followed, the choice of null left out."""
    if "$ref" in described:
        return dict(schema["$defs"][described["$ref"].rpartition("/")[2]])
    if "anyOf" in described:
        return _resolved(next(one for one in described["anyOf"] if one.get("type") != "null"), schema)
    return described


def _bad_values(described: JsonObject, schema: JsonObject, *, is_url: bool) -> Iterator[tuple[str, object]]:
    kind = described.get("type", "string")
    for wrong in WRONG_TYPE[kind]:
        yield f"the wrong type {wrong!r}", wrong
    if "enum" in described or "const" in described:
        yield "not in the list", "no-such-word"
        yield "another case", f"{described.get('enum', [described.get('const')])[0]} ".swapcase()
    elif kind == "string":
        yield from _bad_strings(described, is_url=is_url)
    elif kind in ("integer", "number"):
        yield from _bad_numbers(described)
    elif kind == "array":
        yield from _bad_arrays(described, schema, is_url=is_url)
    elif kind == "object":
        for name, inner in described.get("properties", {}).items():
            for what, value in _bad_values(_resolved(inner, schema), schema, is_url=False):
                yield f"{name}: {what}", {name: value}


def _bad_strings(described: JsonObject, *, is_url: bool) -> Iterator[tuple[str, object]]:
    if "maxLength" in described:
        yield "too long", "http://example.com/" * is_url + "ก" * (described["maxLength"] + 1)
    if described.get("minLength", 0) > 0:
        yield "empty", ""
        yield "blank", " " * described["minLength"]
    if described.get("minLength", 0) > 1:
        yield "too short", "x" * (described["minLength"] - 1)
    if is_url:
        for url in BAD_URLS:
            yield f"the URL {url}", url


def _bad_numbers(described: JsonObject) -> Iterator[tuple[str, object]]:
    step = 1 if described["type"] == "integer" else 0.001
    for name, sign in (("minimum", -step), ("exclusiveMinimum", 0), ("maximum", step), ("exclusiveMaximum", 0)):
        if name in described:
            yield f"beyond its {name}", described[name] + sign


def _bad_arrays(described: JsonObject, schema: JsonObject, *, is_url: bool) -> Iterator[tuple[str, object]]:
    item = "https://example.com/a.png" if is_url else "a"
    if "maxItems" in described:
        yield "too many", [item] * (described["maxItems"] + 1)
    if described.get("minItems", 0) > 0:
        yield "too few", [item] * (described["minItems"] - 1)
    for what, value in _bad_values(_resolved(described["items"], schema), schema, is_url=is_url):
        yield f"an item with {what}", [value]
