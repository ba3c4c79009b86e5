"""All that one sandbox holds; every route is given it."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from app.sandbox.books import Books
from app.sandbox.callbacks import Callbacks
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import Faults
from app.sandbox.limits import Limits
from app.sandbox.media.studio import Studio
from app.sandbox.store import Store
from app.sandbox.tasks import JsonObject


@dataclass(frozen=True)
class Generation:
    """What OpenRouter tells about a request later on; not visible before `visible_at`."""

    visible_at: float
    key: str
    record: JsonObject


@dataclass(frozen=True, kw_only=True)
class World:
    """One sandbox. `now` gives Unix seconds."""

    config: SandboxConfig
    books: Books
    faults: Faults
    limits: Limits
    callbacks: Callbacks
    studio: Studio
    store: Store
    now: Callable[[], float] = time.time
    open_streams: set[str] = field(default_factory=set)
    generations: OrderedDict[str, Generation] = field(default_factory=OrderedDict)
