"""What a model is to the stand-in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.sandbox.kie.fields import Field, complaint
from app.sandbox.media.specs import Media
from app.sandbox.tasks import JsonObject, Source

Price = Callable[[JsonObject, Source], Decimal]


def no_rule(_values: JsonObject, _source: Source) -> str | None:
    """No rule beyond the fields."""
    return None


def result_urls(addresses: list[str]) -> JsonObject:
    """What most models put into `resultJson`."""
    return {"resultUrls": addresses}


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: what it accepts, what it costs in KIE credits, what it makes, and how long that takes.

    `source` is what was measured of the request's own uploads. `result` turns the files' addresses into `resultJson`.
    """

    fields: Mapping[str, Field]
    credits: Price
    makes: Callable[[JsonObject, Source], list[Media]]
    usual_s: float
    rule: Callable[[JsonObject, Source], str | None] = no_rule
    result: Callable[[list[str]], JsonObject] = result_urls
    has_progress: bool = False

    def complaint(self, values: JsonObject, source: Source) -> str | None:
        """What is wrong with an input, if anything."""
        return complaint(self.fields, values) or self.rule(values, source)


def fixed(credits: str) -> Price:
    """The same price whatever is asked."""
    return lambda _values, _source: Decimal(credits)


def by(field: str, default: str, prices: Mapping[str, str]) -> Price:
    """A price by the value of one field."""
    return lambda values, _source: Decimal(prices[values.get(field) or default])
