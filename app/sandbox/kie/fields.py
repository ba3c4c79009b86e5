"""Checks of one field of a model's `input`. Each returns the complaint, or None."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.sandbox.tasks import JsonObject

Check = Callable[[Any], str | None]

MISSING = "This field is required"


@dataclass(frozen=True)
class Field:
    """One field: how its value is checked, and whether it must be there."""

    check: Check
    required: bool = False


def complaint(fields: Mapping[str, Field], values: JsonObject) -> str | None:
    """The first thing that is wrong with an input. Fields that a model does not know are ignored."""
    for name, field in fields.items():
        value = values.get(name)
        if value in (None, "", []):
            if field.required:
                return f"{name}: {MISSING}"
        elif problem := field.check(value):
            return f"{name}: {problem}"
    return None


def text(most: int, *, least: int = 0, required: bool = False) -> Field:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return "must be a string"
        return None if least <= len(value) <= most else f"must have {least} to {most} characters"

    return Field(check, required)


def choice(*options: object, required: bool = False) -> Field:
    return Field(lambda value: None if value in options else f"must be one of {', '.join(map(str, options))}", required)


def flag(*, required: bool = False) -> Field:
    return Field(lambda value: None if isinstance(value, bool) else "must be a boolean", required)


def number(least: float, most: float, *, whole: bool = False, required: bool = False) -> Field:
    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or (whole and isinstance(value, float)):
            return "must be an integer" if whole else "must be a number"
        return None if least <= value <= most else f"must be {least:g} to {most:g}"

    return Field(check, required)


def urls(most: int, *, least: int = 0, required: bool = False) -> Field:
    def check(value: Any) -> str | None:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return "must be a list of strings"
        if not least <= len(value) <= most:
            return f"must have {least} to {most} items"
        return None if all(item.startswith(("http://", "https://")) for item in value) else "must be http(s) URLs"

    return Field(check, required)


def strings(most: int) -> Field:
    def check(value: Any) -> str | None:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return "must be a list of strings"
        return None if len(value) <= most else f"must have at most {most} items"

    return Field(check)
