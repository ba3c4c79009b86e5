"""Which providers are configured."""

from decimal import Decimal

import httpx

from app.config import Settings
from app.providers.gemini import Gemini
from app.providers.http import ClientFleet
from app.providers.kie import Kie
from app.providers.openrouter import OpenRouter
from app.providers.port import Budget, CallProvider, ProviderKey, TaskProvider
from app.providers.whisper import Whisper


def usd_per_unit(settings: Settings, provider: str | None) -> Decimal:
    """US dollars for one of the unit in which the provider counts: KIE's credits, or US dollars."""
    return settings.kie_credit_usd if provider == Kie.name else Decimal(1)


def open_task_providers(settings: Settings, client: httpx.AsyncClient) -> dict[str, TaskProvider]:
    """Every provider of tasks that has a key, by name."""
    providers: dict[str, TaskProvider] = {}
    if settings.kie_api_keys:
        providers["kie"] = Kie(
            client,
            base_url=settings.kie_base_url,
            upload_url=settings.kie_upload_url,
            keys=tuple(ProviderKey.of(key) for key in settings.kie_api_keys),
            # A margin below KIE's ten queries a second: our second and theirs do not begin together.
            budget=Budget(creates=settings.kie_creates_per_10s, create_window_s=10.5,
                          queries_per_s=settings.kie_queries_per_s * 0.8),
        )
    return providers


def open_call_providers(settings: Settings, client: httpx.AsyncClient) -> dict[str, CallProvider]:
    """Every provider of calls that has a key, by name."""
    providers: dict[str, CallProvider] = {}
    if settings.gemini_api_keys:
        providers["gemini"] = Gemini(
            client,
            base_url=settings.gemini_base_url,
            model=settings.gemini_tts_model,
            keys=tuple(ProviderKey.of(key) for key in settings.gemini_api_keys),
        )
    if settings.whisper_api_keys:
        providers["whisper"] = Whisper(
            client,
            base_url=settings.whisper_base_url,
            model=settings.whisper_model,
            keys=tuple(ProviderKey.of(key) for key in settings.whisper_api_keys),
        )
    return providers


def open_openrouter(settings: Settings, fleet: ClientFleet) -> OpenRouter | None:
    """The provider of language models, if it has a key."""
    if not settings.openrouter_api_keys:
        return None
    keys = tuple(ProviderKey.of(key) for key in settings.openrouter_api_keys)
    manager = settings.openrouter_management_key
    return OpenRouter(
        fleet, base_url=settings.openrouter_base_url, keys=keys,
        management_key=ProviderKey.of(manager.get_secret_value()) if manager else None,
    )


def purse_leasts(settings: Settings) -> dict[str, Decimal]:
    """How much must be left with each provider that tells it, in the provider's unit, for its services to be sold."""
    return {Kie.name: settings.kie_purse_least, OpenRouter.name: settings.openrouter_purse_least}
