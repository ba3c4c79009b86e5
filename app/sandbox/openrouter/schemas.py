"""A value that is valid for a JSON schema: what a tool is called with, what a structured answer holds."""

from typing import Any

from app.sandbox.tasks import JsonObject

FORMATS = {
    "date-time": "2026-11-24T10:00:00Z", "date": "2026-11-24", "time": "10:00:00Z", "email": "someone@example.com",
    "uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000", "ipv4": "192.0.2.1",
}
DEPTH = 12


def example(schema: Any, root: JsonObject | None = None, depth: int = 0) -> Any:
    """A valid value for the schemas that language models are given; recursive ones end at a depth."""
    if not isinstance(schema, dict) or depth > DEPTH:
        return None
    root = schema if root is None else root
    plain = _plain(schema, root)
    if plain is not schema:
        return example(plain, root, depth + 1)
    fixed = [*schema.get("enum", [])[:1], *(schema[word] for word in ("const", "default") if word in schema)]
    return fixed[-1] if fixed else _of_type(schema, root, depth)


def _plain(schema: JsonObject, root: JsonObject) -> JsonObject:
    """The schema one reference, choice or combination simpler; itself when there is none."""
    if reference := schema.get("$ref"):
        return _resolve(reference, root)
    for choice in ("anyOf", "oneOf"):
        if alternatives := schema.get(choice):
            return {**_without(schema, choice), **alternatives[0]}
    if parts := schema.get("allOf"):
        return _merged(_without(schema, "allOf"), parts, root)
    return schema


def _of_type(schema: JsonObject, root: JsonObject, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            return {name: example(part, root, depth + 1) for name, part in _properties(schema, depth).items()}
        case "array":
            return [example(schema.get("items", {}), root, depth + 1) for _ in range(_items(schema, depth))]
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema)


def _properties(schema: JsonObject, depth: int) -> JsonObject:
    properties: JsonObject = schema.get("properties", {})
    if depth < DEPTH // 2:
        return properties
    required = schema.get("required", [])
    return {name: part for name, part in properties.items() if name in required}


def _items(schema: JsonObject, depth: int) -> int:
    least = int(schema.get("minItems", 0))
    return max(least, 1) if depth < DEPTH // 2 and schema.get("maxItems", 1) else least


def _number(schema: JsonObject, *, whole: bool) -> float:
    least = schema.get("minimum")
    if least is None and "exclusiveMinimum" in schema:
        least = schema["exclusiveMinimum"] + (1 if whole else 0.5)
    if least is None:
        least = min(1, schema.get("maximum", schema.get("exclusiveMaximum", 2) - 1))
    step = schema.get("multipleOf")
    value = -(-least // step) * step if step else least
    return int(-(-value // 1)) if whole else float(value)


def _text(schema: JsonObject) -> str:
    text = FORMATS.get(schema.get("format", ""), "example")
    text = text.ljust(int(schema.get("minLength", 0)), "x")
    return text[: int(schema.get("maxLength", len(text)))]


def _resolve(reference: str, root: JsonObject) -> JsonObject:
    found = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(part, {})
    return found


def _merged(schema: JsonObject, parts: list[JsonObject], root: JsonObject) -> JsonObject:
    merged = dict(schema)
    for part in (_resolve(given["$ref"], root) if "$ref" in given else given for given in parts):
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", []), *part.get("required", [])]
        merged |= part | {"properties": properties, "required": required}
    return merged


def _without(schema: JsonObject, name: str) -> JsonObject:
    return {key: value for key, value in schema.items() if key != name}
