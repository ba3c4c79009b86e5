"""The page of all services, in Markdown, made from the catalogue: what each takes, costs and answers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.api.example_answers import HOST, example_create, example_status
from app.api.language_schemas import (
    CHAT_EXAMPLE,
    EMBEDDING_EXAMPLE,
    FLAT_CHAT,
    OPENAI_CHAT,
    OPENAI_CHAT_EXAMPLE,
    OPENAI_EMBEDDINGS,
    OPENAI_RESPONSE,
    OWN_EMBEDDING,
    RESPONSE_EXAMPLE,
)
from app.api.openai import ALIASES, CANONICAL
from app.catalog.language.prices import CHAT, EMBEDDING, PRICE_LISTS
from app.catalog.model import Service, UpstreamTask
from app.ledger import HoldKind

PREFIX = "/api/v1"
HEAD = f"""\
# Services

Made from the catalogue by `phaya services`; a test keeps it current. Prices are the catalogue's, in credits: 1 credit
is 1 THB. An operator changes them with `phaya rate set`, and `?dry_run=true` on any create answers what a request costs
now, without making anything.

Every service works alike. A create answers at once; then ask the status until it has ended. With `Idempotency-Key` a
create may be repeated: it makes one job. A job that fails, or is cancelled, costs nothing.

```sh
curl -X POST {HOST}/api/v1/text-to-image/generate \\
  -H "Authorization: Bearer $PHAYA_KEY" -H "Content-Type: application/json" -d '{{"prompt": "a boat"}}'
curl {HOST}/api/v1/text-to-image/status/JOB_ID -H "Authorization: Bearer $PHAYA_KEY"
```
"""


def services_page(catalog: Mapping[str, Service]) -> str:
    """The whole page."""
    services = sorted(catalog.values(), key=lambda service: (GROUPS.index(service.group), service.id))
    sections = (line for service in services for line in _section(service))
    return "\n".join([HEAD, *_overview(services), *sections, *_language()])


BASES = ", ".join(f"`{HOST}{base}`" for base in (CANONICAL, *ALIASES))
# Title and summary, where, by which price list, what is asked, and the answer's description.
LANGUAGE: tuple[tuple[str, str, str, str, Mapping[str, object], Mapping[str, Any]], ...] = (
    ("Chat", "A conversation goes on; in server-sent events with `stream`.", "/api/v1/phaya-gpt/chat/completions",
     CHAT, CHAT_EXAMPLE, FLAT_CHAT),
    ("Embeddings", "Texts as vectors.", "/api/v1/embedding/create", EMBEDDING, EMBEDDING_EXAMPLE, OWN_EMBEDDING),
    ("Chat, as OpenAI has it", f"For its SDKs, with any of the base URLs {BASES}.", f"{CANONICAL}/chat/completions",
     CHAT, OPENAI_CHAT_EXAMPLE, OPENAI_CHAT),
    ("Responses, as OpenAI has them", "At the same bases; in typed events with `stream`.", f"{CANONICAL}/responses",
     CHAT, RESPONSE_EXAMPLE, OPENAI_RESPONSE),
    ("Embeddings, as OpenAI has them", "At the same bases.", f"{CANONICAL}/embeddings",
     EMBEDDING, EMBEDDING_EXAMPLE, OPENAI_EMBEDDINGS),
)


def _language() -> Iterator[str]:
    yield "# Language models"
    yield ""
    yield "The most that a call can cost is set aside before it is made, and what it used is charged at its end. The"
    yield "fields are in `/openapi.json`, models and prices at `/v1/models` and `/api/v1/phaya-gpt/pricing`."
    yield ""
    for title, summary, path, prices, example, described in LANGUAGE:
        rates = ", ".join(f"{rate} {name}" for name, rate in PRICE_LISTS[prices].items() if float(rate))
        yield f"## {title}"
        yield ""
        yield summary
        yield ""
        yield f"- `POST {path}`"
        yield ""
        yield f"**Price** for a million tokens: {rates}. All but the default model cost their provider's list price."
        yield ""
        yield "A request:"
        yield from _json(dict(example))
        yield "The answer:"
        yield from _json(described["content"]["application/json"]["example"])


BAR = r"\|"
GROUPS = ("image", "video", "audio", "media")


def _overview(services: list[Service]) -> Iterator[str]:
    yield "| service | create | status words | price |"
    yield "|---|---|---|---|"
    for service in services:
        words = ", ".join(f"`{word}`" for word in service.vocabulary.words)
        yield f"| [{service.title}](#{service.id}) | `{service.create_path}` | {words} | {_span(service)} |"
    yield ""


def _span(service: Service) -> str:
    if service.metered is not None or (service.hold is HoldKind.DEFERRED and len(service.rates) > 1):
        return "by use"
    rates = sorted({rate: float(rate) for rate in service.rates.values()}.items(), key=lambda item: item[1])
    return rates[0][0] if rates[0][1] == rates[-1][1] else f"{rates[0][0]} to {rates[-1][0]}"


def _section(service: Service) -> Iterator[str]:
    yield f'<a id="{service.id}"></a>'
    yield f"## {service.title}"
    yield ""
    yield service.summary
    yield ""
    yield from (f"- `{method} {PREFIX}{path}`" for method, path in _routes(service))
    yield ""
    yield from _price(service)
    yield from _fields(service)
    yield from _conversions(service)
    example = service.examples[-1]
    yield f"A request, for {example.credits} credits:"
    yield from _json(dict(example.request))
    yield "The answer to its create:"
    yield from _json(example_create(service))
    yield "The status once it is done:"
    yield from _json(example_status(service))


def _routes(service: Service) -> Iterator[tuple[str, str]]:
    yield "POST", service.create_path
    yield "GET", service.status_path
    if service.is_cancellable:
        yield "POST", f"/{service.id}/cancel/{{job_id}}"
    if service.has_history:
        yield "GET", f"/{service.id}/history"
    if service.creations is not None:
        yield "GET", f"/{service.id}/list"
    yield from (("GET", f"/{service.id}/{listing.name}") for listing in service.listings)


def _price(service: Service) -> Iterator[str]:
    if list(service.rates) == ["job"]:
        yield f"**Price**: {service.rates['job']}. {service.priced}"
    else:
        yield f"**Price**: {service.priced}"
        yield ""
        yield "| rate | credits |"
        yield "|---|---|"
        yield from (f"| {name} | {rate} |" for name, rate in service.rates.items())
    yield ""


def _fields(service: Service) -> Iterator[str]:
    yield "| field | what | default |"
    yield "|---|---|---|"
    schema = service.request.model_json_schema()
    for name, field in schema["properties"].items():
        default = "required" if name in schema.get("required", ()) else f"`{json.dumps(field.get('default'))}`"
        about = ". ".join(part for part in (_type(field, schema), field.get("description", "")) if part)
        yield f"| `{name}` | {about.replace('|', BAR)} | {default} |"
    yield ""


def _type(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "$ref" in field:
        inner = schema["$defs"][field["$ref"].rpartition("/")[2]]["properties"]
        return "object: " + "; ".join(f"`{name}` {_type(part, schema)}" for name, part in inner.items())
    if "anyOf" in field:
        return " or ".join(_type(one, schema) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field or "const" in field:
        return " ".join(f"`{word}`" for word in field.get("enum", [field.get("const")]))
    match field:
        case {"type": "array"}:
            words = ["array of", _bounds(field, "minItems", "maxItems"), f"({_type(field['items'], schema)})"]
        case {"format": "uri"}:
            words = ["URL"]
        case {"type": "string"}:
            words = ["string", _bounds(field, "minLength", "maxLength", unit="characters")]
        case _:
            words = [field["type"], _bounds(field, "minimum", "maximum")]
    return " ".join(word for word in words if word)


def _bounds(field: Mapping[str, Any], least: str, most: str, *, unit: str = "") -> str:
    first, last, above = field.get(least), field.get(most), field.get("exclusiveMinimum")
    if above is not None:
        words = f"above {above}" if last is None else f"above {above}, up to {last}"
    elif first is None:
        words = "" if last is None else f"up to {last}"
    else:
        words = f"{first}" if first == last else f"{first} to {last}"
    return f"{words} {unit}".strip() if words else ""


def _conversions(service: Service) -> Iterator[str]:
    rules = service.run.forms[-1].rules if isinstance(service.run, UpstreamTask) else ()
    if not rules:
        return
    yield "What the model does not do is said in the job's `message`, or refused with 422 before anything is held:"
    yield ""
    yield from (f"- `{rule.field}`: {rule.says}{'' if rule.change else ' (refused)'}" for rule in rules)
    yield ""


def _json(value: object) -> Iterator[str]:
    yield ""
    yield "```json"
    yield json.dumps(value, ensure_ascii=False, indent=2)
    yield "```"
    yield ""
