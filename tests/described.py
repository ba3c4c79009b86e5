"""What the API describes: an answer that a test gets has a status and fields that the description names."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import httpx

from app.config import Settings
from app.main import create_app

Schema = Mapping[str, Any]


@cache
def description() -> Schema:
    """The API's description of itself."""
    return create_app(Settings.model_validate({"environment": "embedded"})).openapi()


@cache
def operations() -> list[tuple[str, re.Pattern[str], Schema]]:
    """Method, path and answers of every operation; paths without a parameter come first."""
    return [
        (method.upper(), re.compile(re.sub(r"{\w+}", "[^/]+", path)), operation["responses"])
        for path, methods in sorted(description()["paths"].items(), key=lambda item: "{" in item[0])
        for method, operation in methods.items()
    ]


def check_answer(response: httpx.Response) -> None:
    """Raise AssertionError if the answer is not as described. For the hooks of an httpx client."""
    request = response.request
    answers = next(
        (answers for method, path, answers in operations()
         if method == request.method and path.fullmatch(request.url.path)), None,
    )
    if answers is None:
        return
    where = f"{request.method} {request.url.path}"
    assert str(response.status_code) in answers, f"{where}: nothing is said of {response.status_code}"
    content = answers[str(response.status_code)].get("content", {}).get("application/json")
    if content is not None and request.method != "HEAD" and response.headers.get("content-type") == "application/json":
        response.read()
        extra = list(unnamed(content.get("schema", {}), response.json()))
        assert extra == [], f"{where}: nothing is said of {extra} in a {response.status_code}"


def unnamed(schema: Schema, value: object, place: str = "") -> Iterator[str]:
    """The fields of the value that the schema does not name, at any depth. One that names none lets all through."""
    shapes = list(shapes_of(schema))
    if isinstance(value, list):
        for inner in (shape["items"] for shape in shapes if "items" in shape):
            for number, item in enumerate(value):
                yield from unnamed(inner, item, f"{place}[{number}]")
    if not isinstance(value, dict) or any(shape.get("additionalProperties") for shape in shapes):
        return
    named = [shape["properties"] for shape in shapes if "properties" in shape]
    for name, item in value.items() if named else ():
        inners = [properties[name] for properties in named if name in properties]
        if inners:
            yield from unnamed({"anyOf": inners}, item, f"{place}.{name}")
        else:
            yield f"{place}.{name}"


def shapes_of(schema: Schema) -> Iterator[Schema]:
    """The schema and all that it is put together from."""
    if "$ref" in schema:
        yield from shapes_of(description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    yield schema
    for word in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(word, ()):
            yield from shapes_of(part)
