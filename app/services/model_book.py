"""The language models on offer and their prices: the operator's own, and those of the provider's list."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from app.catalog.language.prices import (
    CHAT,
    CHAT_PLACES,
    EMBEDDING,
    EMBEDDING_PLACES,
    PRICE_LISTS,
    TokenPrice,
    list_rates,
)
from app.config import Settings
from app.errors import NotFound, ProviderError, Unavailable, UpstreamFailed
from app.providers.openrouter import OpenRouter
from app.providers.openrouter_models import ListedModel
from app.services.rates import RateBook

log = structlog.get_logger()

# An older list is still used while a new one is asked for.
FRESH_S = 600.0
RETRY_S = 15.0


@dataclass(frozen=True)
class PricedModel:
    """A model that can be called: upstream's id, its price, and the longest answer that it can give, if known."""

    id: str
    price: TokenPrice
    rates_version: int
    most_out: int | None = None


@dataclass(frozen=True)
class OfferedModel:
    """A model under one of the ids that clients may use."""

    id: str
    created: int
    owner: str


@dataclass
class _Listing:
    models: Mapping[str, ListedModel] = field(default_factory=dict)
    asked_at: float = float("-inf")
    asking: asyncio.Task[None] | None = None


class ModelBook:
    """Looks models up by the ids that clients use. One for each process."""

    def __init__(self, provider: OpenRouter | None, rates: RateBook, settings: Settings) -> None:
        self._provider = provider
        self._rates = rates
        self._settings = settings
        self._listing = _Listing()

    async def find_chat(self, name: str | None) -> PricedModel:
        """The model that answers under this id; None and `phaya-gpt` are the default one. Raises NotFound."""
        default = self._settings.chat_default_model
        upstream_id = self.upstream_id(name) if name else default
        if upstream_id == default:
            return await self._own(default, CHAT, CHAT_PLACES)
        return await self._listed(name or default, upstream_id, embeds=False)

    async def find_embedding(self, name: str | None) -> PricedModel:
        """The model that embeds under this id; None is the default one. Raises NotFound."""
        default = self._settings.embedding_default_model
        upstream_id = self.upstream_id(name) if name else default
        if upstream_id == default:
            return await self._own(default, EMBEDDING, EMBEDDING_PLACES)
        return await self._listed(name or default, upstream_id, embeds=True)

    def upstream_id(self, name: str) -> str:
        """The provider's id for a client's."""
        if name.lower() == CHAT:
            return self._settings.chat_default_model
        return self._settings.model_aliases.get(name, name)

    async def listed(self) -> Mapping[str, ListedModel]:
        """The provider's models that have a price, by their ids. Raises Unavailable, UpstreamFailed."""
        if self._provider is None:
            raise Unavailable("No provider of language models is configured")
        if time.monotonic() - self._listing.asked_at > FRESH_S and self._listing.asking is None:
            self._listing.asking = asyncio.create_task(self._ask(self._provider))
        if not self._listing.models and self._listing.asking is not None:
            await asyncio.shield(self._listing.asking)
        if not self._listing.models:
            raise UpstreamFailed("The provider does not tell its models")
        return self._listing.models

    async def list_chat(self) -> list[ListedModel]:
        """The models that can chat, by their ids. Raises Unavailable, UpstreamFailed."""
        return sorted((it for it in (await self.listed()).values() if it.chats), key=lambda model: model.id)

    async def offered(self) -> list[OfferedModel]:
        """Every id that may be asked for, the provider's own and ours. Raises Unavailable, UpstreamFailed."""
        listed = await self.listed()
        names = {CHAT: self._settings.chat_default_model, **self._settings.model_aliases}
        ids = {model_id: model_id for model_id in sorted(listed)} | {
            name: model_id for name, model_id in names.items() if model_id in listed
        }
        return [
            OfferedModel(name, listed[model_id].created, model_id.partition("/")[0]) for name, model_id in ids.items()
        ]

    async def close(self) -> None:
        """Stop asking."""
        if self._listing.asking is not None:
            self._listing.asking.cancel()

    async def price_of(self, model: ListedModel) -> PricedModel:
        """The price of a model of the provider's list: its own where it is a default model, else the list's."""
        if model.id == self._settings.chat_default_model:
            return await self._own(model.id, CHAT, CHAT_PLACES, most_out=model.most_out)
        if model.id == self._settings.embedding_default_model:
            return await self._own(model.id, EMBEDDING, EMBEDDING_PLACES)
        service, places = (EMBEDDING, EMBEDDING_PLACES) if model.embeds else (CHAT, CHAT_PLACES)
        defaults = list_rates(model.prices, self._settings.credits_per_usd)
        now = await self._rates.of(service, defaults, model=model.id)
        return PricedModel(model.id, TokenPrice(now.rates, places), now.version, model.most_out)

    async def _own(self, model_id: str, price_list: str, places: int, *, most_out: int | None = None) -> PricedModel:
        now = await self._rates.of(price_list, PRICE_LISTS[price_list])
        return PricedModel(model_id, TokenPrice(now.rates, places), now.version, most_out)

    async def _listed(self, name: str, upstream_id: str, *, embeds: bool) -> PricedModel:
        model = (await self.listed()).get(upstream_id)
        if model is None or not (model.embeds if embeds else model.chats):
            raise NotFound(f"The model {name!r} does not exist", code="model_not_found")
        return await self.price_of(model)

    async def _ask(self, provider: OpenRouter) -> None:
        try:
            models = await provider.models()
            self._listing.models = {model.id: model for model in models if model.prices.are_known}
            self._listing.asked_at = time.monotonic()
        except ProviderError as trouble:
            log.warning("models.not_listed", detail=trouble.detail)
            self._listing.asked_at = time.monotonic() - FRESH_S + RETRY_S
        finally:
            self._listing.asking = None
