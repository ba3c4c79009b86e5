"""Everything a process needs, wired once: the one place where settings become parts."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from app.catalog.loader import load_catalog
from app.catalog.model import Service
from app.config import Settings
from app.db.engine import Database
from app.media.fetch import Fetcher
from app.media.process import sweep
from app.providers.http import ClientFleet, open_client
from app.providers.openrouter import OpenRouter
from app.providers.port import CallProvider, PurseHolder, TaskProvider
from app.providers.registry import open_call_providers, open_openrouter, open_task_providers, purse_leasts
from app.services.authenticate import KeyCache
from app.services.call_ender import CallEnder
from app.services.costs import CostBook
from app.services.day_book import DayBook
from app.services.doorbell import Doorbell
from app.services.forms import refuse_unknown_models
from app.services.guesses import GuessBrake
from app.services.job_writer import JobWriter
from app.services.key_turns import KeyTurns
from app.services.model_book import ModelBook
from app.services.purses import PurseBook
from app.services.rate_limit import RateLimiter
from app.services.rates import RateBook
from app.services.watch_jobs import JobReader
from app.storage import Storage, open_storage

# Answers of language models that a process reads at once; each is a connection for as long as the answer lasts.
STREAMS_MOST = 1_000
# A new connection costs a client's first token two round trips and a handshake.
STREAMS_KEEP_S = 60.0


@dataclass(frozen=True)
class Places:
    """How much of what takes a core may go on at once in a process; the rest waits for a place.

    `measuring`: creates that must fetch and measure a file first. `remaking`: what is done to inputs for a provider's
    sake and to what it made.
    """

    measuring: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))
    remaking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))


@dataclass(frozen=True)
class Broker:
    """A process's parts."""

    settings: Settings
    db: Database
    doorbell: Doorbell
    storage: Storage
    fetcher: Fetcher
    providers: Mapping[str, TaskProvider]
    callers: Mapping[str, CallProvider]
    openrouter: OpenRouter | None
    models: ModelBook
    turns: KeyTurns
    calls: CallEnder
    catalog: Mapping[str, Service]
    rates: RateBook
    costs: CostBook
    purses: PurseBook
    day: DayBook
    jobs: JobWriter
    watch: JobReader
    keys: KeyCache
    guesses: GuessBrake
    limiter: RateLimiter
    places: Places

    def service(self, service_id: str) -> Service:
        """A service of the catalogue; a job's service always is one (a withdrawn entry stays until its jobs end)."""
        return self.catalog[service_id]


@asynccontextmanager
async def open_broker(settings: Settings) -> AsyncIterator[Broker]:
    """Open every part, and close them in the opposite order. Raises ValueError for settings that do nothing.

    What killed processes left in the work folder is removed.
    """
    catalog = load_catalog()
    refuse_unknown_models(settings, catalog)
    costs = CostBook(settings, catalog)
    await asyncio.to_thread(sweep, settings.work_dir)
    async with AsyncExitStack() as stack:
        db = Database(settings)
        stack.push_async_callback(db.close)
        doorbell = Doorbell(str(settings.redis_url))
        stack.push_async_callback(doorbell.close)
        jobs = JobWriter(db)
        stack.push_async_callback(jobs.close)
        calls = CallEnder(db)
        stack.push_async_callback(calls.close)
        limiter = RateLimiter(str(settings.redis_url))
        stack.push_async_callback(limiter.close)
        client = await stack.enter_async_context(open_client())
        fleet = ClientFleet(connections=STREAMS_MOST, keep_s=STREAMS_KEEP_S)
        stack.push_async_callback(fleet.close)
        providers, openrouter = open_task_providers(settings, client), open_openrouter(settings, fleet)
        holders: list[PurseHolder] = [*providers.values(), *([openrouter] if openrouter else [])]
        rates = RateBook(db)
        models = ModelBook(openrouter, rates, settings)
        stack.push_async_callback(models.close)
        yield Broker(
            settings=settings,
            db=db,
            doorbell=doorbell,
            storage=open_storage(settings),
            fetcher=Fetcher(settings.fetch_allow),
            providers=providers,
            callers=open_call_providers(settings, client),
            openrouter=openrouter,
            models=models,
            turns=KeyTurns(db, OpenRouter.name, openrouter.keys if openrouter else ()),
            calls=calls,
            catalog=catalog,
            rates=rates,
            costs=costs,
            purses=PurseBook(db, holders, purse_leasts(settings)),
            day=DayBook(db, settings),
            jobs=jobs,
            watch=JobReader(db),
            keys=KeyCache(db),
            guesses=GuessBrake(),
            limiter=limiter,
            places=Places(),
        )
