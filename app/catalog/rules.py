"""What the contract allows and a provider does not: a table in the entry; a line converts or refuses (design 4.7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from app.errors import Invalid

Request = TypeVar("Request", bound=BaseModel)


@dataclass(frozen=True)
class Rule:
    """One line of the table. Where `when` holds, the request goes on with the values of `change` for its fields.

    The client reads `says` in the job's message. A line without `change` refuses the create with it instead.
    """

    field: str
    when: Callable[[Any], bool]
    says: str
    change: Callable[[Any], Mapping[str, object]] | None = None


def settle(request: Request, rules: Sequence[Rule]) -> tuple[Request, list[str]]:
    """The request as the provider can serve it, and a sentence for each change. Raises Invalid.

    Each line sees what the lines above it have made of the request.
    """
    changes: list[str] = []
    for rule in rules:
        if not rule.when(request):
            continue
        if rule.change is None:
            raise Invalid.at(rule.field, rule.says, type_="not_available")
        request = request.model_copy(update=dict(rule.change(request)))
        changes.append(f"{rule.field}: {rule.says}.")
    return request, changes
