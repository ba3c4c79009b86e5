"""OpenRouter's list of models and their prices (openrouter.md 7)."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

log = structlog.get_logger()


@dataclass(frozen=True)
class Tier:
    """Prices of prompts with more than `above` tokens; None where they stay as they are."""

    above: int
    prompt: Decimal | None
    completion: Decimal | None


@dataclass(frozen=True)
class ListPrices:
    """USD for each token, and for each request."""

    prompt: Decimal
    completion: Decimal
    request: Decimal
    tiers: tuple[Tier, ...] = ()

    @property
    def are_known(self) -> bool:
        """Routers are listed with negative prices: theirs depends on where they send the request."""
        all_prices = (self.prompt, self.completion, self.request, *(
            price for tier in self.tiers for price in (tier.prompt, tier.completion) if price is not None
        ))
        return all(price.is_finite() and price >= 0 for price in all_prices)


@dataclass(frozen=True)
class ListedModel:
    """One model on offer."""

    id: str
    name: str
    created: int
    context_length: int | None
    most_out: int | None
    inputs: frozenset[str]
    outputs: frozenset[str]
    parameters: frozenset[str]
    prices: ListPrices

    @property
    def chats(self) -> bool:
        return "text" in self.outputs

    @property
    def embeds(self) -> bool:
        return "embeddings" in self.outputs


class _Override(BaseModel):
    min_prompt_tokens: int | None = None
    utc_start: object = None
    prompt: Decimal | None = None
    completion: Decimal | None = None


class _Pricing(BaseModel):
    prompt: Decimal
    completion: Decimal = Decimal(0)
    request: Decimal = Decimal(0)
    overrides: list[_Override] = Field(default_factory=list)


class _Architecture(BaseModel):
    input_modalities: list[str] = Field(default_factory=list)
    output_modalities: list[str] = Field(default_factory=list)


class _TopProvider(BaseModel):
    max_completion_tokens: int | None = None


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1, max_length=200)
    name: str = Field(default="", max_length=500)
    created: int = 0
    context_length: int | None = None
    architecture: _Architecture = Field(default_factory=_Architecture)
    pricing: _Pricing
    top_provider: _TopProvider = Field(default_factory=_TopProvider)
    supported_parameters: list[str] | None = None


def read_models(content: bytes) -> list[ListedModel]:
    """The models in an answer, without those that cannot be understood."""
    try:
        items = orjson.loads(content)["data"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        items = None
    if not isinstance(items, list):
        log.warning("models.unreadable", detail=content[:200].decode(errors="replace"))
        return []
    return list(_read(items))


def _read(items: list[object]) -> Iterator[ListedModel]:
    for item in items:
        try:
            model = _Model.model_validate(item)
        except ValidationError as error:
            log.warning("model.unreadable", error=str(error)[:300])
            continue
        yield ListedModel(
            id=model.id,
            name=model.name or model.id,
            created=model.created,
            context_length=model.context_length,
            most_out=model.top_provider.max_completion_tokens,
            inputs=frozenset(model.architecture.input_modalities),
            outputs=frozenset(model.architecture.output_modalities),
            parameters=frozenset(model.supported_parameters or ()),
            prices=_prices(model.pricing),
        )


def _prices(pricing: _Pricing) -> ListPrices:
    # Prices by the time of day are not followed: a client is told one price, and what a call costs us is recorded.
    tiers = (
        Tier(override.min_prompt_tokens, override.prompt, override.completion)
        for override in pricing.overrides
        if override.min_prompt_tokens is not None and override.utc_start is None
    )
    return ListPrices(
        pricing.prompt, pricing.completion, pricing.request, tuple(sorted(tiers, key=lambda tier: tier.above))
    )
