#!/usr/bin/env python3
"""Print deploy/settings.md, made from app/config.py: `.venv/bin/python deploy/settings.py > deploy/settings.md`."""

import json
from typing import Any

from app.config import Settings

HEAD = """\
# Settings

Made from [app/config.py](../app/config.py) by [settings.py](settings.py). Every process reads them from its
environment, and from a `.env` in the folder that it is started in. Lists are written `a,b`, tables as JSON.

| setting | default | values | what it is |
|---|---|---|---|
"""


def render() -> str:
    """The page: a row for each setting. Raises KeyError for one that is not documented."""
    schema = Settings.model_json_schema()
    rows = [_row(name, _resolved(field, schema)) for name, field in schema["properties"].items()]
    return HEAD + "".join(rows)


def _row(name: str, field: dict[str, Any]) -> str:
    default = field.get("default")
    shown = "" if default in (None, []) else f"`{default if isinstance(default, str) else json.dumps(default)}`"
    variable = name if name.isupper() else f"PHAYA_{name.upper()}"
    cells = [f"`{variable}`", shown, _values(field), " ".join(field["description"].split())]
    return "| " + " | ".join(cells) + " |\n"


def _resolved(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The field with what it refers to, and without the `null` of a setting that may be left out."""
    if "$ref" in field:
        return {**schema["$defs"][field["$ref"].rpartition("/")[2]], **field}
    whole = {name: value for choice in field.get("anyOf", []) for name, value in choice.items() if value != "null"}
    return whole | field


def _values(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "boolean":
        return "`true`, `false`"
    least, most = field.get("minimum"), field.get("maximum")
    if most is not None:
        return f"{least} to {most}"
    if "exclusiveMinimum" in field:
        return f"over {field['exclusiveMinimum']}"
    return "" if least is None else f"from {least}"


if __name__ == "__main__":
    print(render(), end="")
