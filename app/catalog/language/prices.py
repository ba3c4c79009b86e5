"""What tokens cost (contract 3.1 and 3.3).

A price list has named rates, in credits: `input` and `output` for a million tokens, `web_search` for one search,
`request` for each call. `input>200000` is the rate of prompts longer than that. An operator may override each by name;
those of a model that is not the default one are named `MODEL/RATE`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import cached_property
from typing import Any

from app.catalog.model import rounded
from app.providers.openrouter_models import ListPrices

CHAT = "phaya-gpt"
EMBEDDING = "embedding"
# Of the default models, under the names of their services. Every other model costs its provider's list price.
PRICE_LISTS: Mapping[str, Mapping[str, str]] = {
    CHAT: {"input": "10.5", "output": "87.5", "web_search": "0"},
    EMBEDDING: {"input": "2.8"},
}
MODEL_RATE = re.compile(r"[^/]+(/[^/]+)*/((input|output)(>\d+)?|request|web_search)")
# Of the default embedding model (contract 3.3).
EMBEDDING_DIMENSIONS = 4_096
CHAT_PLACES = 6
EMBEDDING_PLACES = 8
MILLION = 1_000_000
# Of what costs nothing.
UNBOUNDED = 2**31
ZERO = Decimal(0)


def is_model_rate(service: str, name: str) -> bool:
    """Whether this names a rate of a language model that an operator may set."""
    return service in PRICE_LISTS and MODEL_RATE.fullmatch(name) is not None


def list_rates(prices: ListPrices, credits_per_usd: Decimal) -> dict[str, str]:
    """The rates of a model that has only its provider's list price."""
    per_million = credits_per_usd * MILLION
    rates = {
        "input": prices.prompt * per_million, "output": prices.completion * per_million,
        "request": prices.request * credits_per_usd, "web_search": ZERO,
    }
    for tier in prices.tiers:
        above = {"input": tier.prompt, "output": tier.completion}
        rates |= {f"{name}>{tier.above}": price * per_million for name, price in above.items() if price is not None}
    return {name: f"{rate.normalize():f}" for name, rate in rates.items()}


@dataclass(frozen=True)
class TokenPrice:
    """The rates in force for one model, and to how many places its price is rounded."""

    rates: Mapping[str, Decimal]
    places: int

    def frozen(self) -> dict[str, object]:
        """As JSON, for the job: later changes of the rates are not for it."""
        return {"rates": {name: str(rate) for name, rate in self.rates.items()}, "places": self.places}

    @classmethod
    def thawed(cls, frozen: Mapping[str, Any]) -> "TokenPrice":
        """The opposite of `frozen`."""
        return cls({name: Decimal(rate) for name, rate in frozen["rates"].items()}, frozen["places"])

    def of(self, prompt_tokens: int, completion_tokens: int = 0, searches: int = 0) -> Decimal:
        """The price of a call, in credits. It grows with each of its arguments."""
        return rounded(self._exact(prompt_tokens, completion_tokens, searches), self.places)

    def affordable_tokens(self, credits: Decimal, *, prompt_tokens: int, searches: int) -> int:
        """How many tokens of answer these credits pay beside the prompt."""
        left = credits - self._exact(prompt_tokens, 0, searches) - Decimal(5).scaleb(-self.places - 1)
        rate = self.rate("output", prompt_tokens)
        if left < 0:
            return 0
        return int((left * MILLION / rate).to_integral_value(ROUND_FLOOR)) if rate else UNBOUNDED

    def rate(self, name: str, prompt_tokens: int = 0) -> Decimal:
        """A rate, as it is for a prompt of this length."""
        found = self.rates.get(name, ZERO)
        for above, tier in self._tiers:
            if prompt_tokens > above:
                found = self.rates.get(f"{name}{tier}", found)
        return found

    def _exact(self, prompt_tokens: int, completion_tokens: int, searches: int) -> Decimal:
        tokens = prompt_tokens * self.rate("input", prompt_tokens)
        tokens += completion_tokens * self.rate("output", prompt_tokens)
        return tokens / MILLION + searches * self.rate("web_search") + self.rate("request")

    @cached_property
    def _tiers(self) -> list[tuple[int, str]]:
        """`(200000, ">200000")` for each length from which on other rates hold, in rising order."""
        lengths = {name.partition(">")[2] for name in self.rates if ">" in name}
        return sorted((int(length), f">{length}") for length in lengths)
