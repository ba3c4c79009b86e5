"""A KIE task: fixed when it is accepted, so that everything later is a function of it and the time."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from app.sandbox.directives import Directives

JsonObject = dict[str, Any]


class Dialect(StrEnum):
    """How the task was created, and so how it is asked for and called back."""

    JOBS = "jobs"
    VEO = "veo"
    SUNO = "suno"


class Phase(StrEnum):
    """Where a task is, in the words of the jobs API."""

    WAITING = "waiting"
    QUEUING = "queuing"
    GENERATING = "generating"
    SUCCESS = "success"
    FAIL = "fail"


# The share of a task's time after which it is in the phase.
PHASES = ((0.3, Phase.GENERATING), (0.1, Phase.QUEUING), (0.0, Phase.WAITING))


@dataclass(frozen=True, slots=True)
class Source:
    """What was measured of a request's own uploads: its first film's length, its first picture's ratio `W:H`."""

    film_s: float | None = None
    ratio: str | None = None

    @property
    def is_upright(self) -> bool:
        """Whether the picture is higher than wide."""
        wide, _, high = (self.ratio or "1:1").partition(":")
        return float(wide) < float(high)


NOTHING_MEASURED = Source()


@dataclass(frozen=True, slots=True)
class Task:
    """One accepted create. Times are Unix seconds; `param` is the create request as KIE stores it."""

    id: str
    dialect: Dialect
    model: str
    key: str
    base_url: str
    param: str
    created_at: float
    ends_at: float
    credits: Decimal
    directives: Directives
    source: Source = NOTHING_MEASURED

    def phase(self, now: float) -> Phase:
        """The task's phase at a time."""
        if now >= self.ends_at:
            return Phase.FAIL if self.directives.fail else Phase.SUCCESS
        gone = self.progress(now)
        return next(phase for share, phase in PHASES if gone >= share)

    def progress(self, now: float) -> float:
        """The share of the task's time that is gone, 0 to 1."""
        return 1.0 if now >= self.ends_at else max(0.0, (now - self.created_at) / (self.ends_at - self.created_at))

    def time_of(self, share: float) -> float:
        """When so much of the task's time is gone."""
        return self.created_at + share * (self.ends_at - self.created_at)

    def request(self) -> JsonObject:
        """The create request. The jobs API stores `input` as JSON within the JSON."""
        request: JsonObject = orjson.loads(self.param)
        if self.dialect is Dialect.JOBS:
            request["input"] = orjson.loads(request["input"])
        return request

    @property
    def prompt(self) -> str:
        """The prompt, whichever way it was sent."""
        request = self.request()
        return str((request["input"] if self.dialect is Dialect.JOBS else request).get("prompt") or "")

    @property
    def callback_url(self) -> str | None:
        """Where to call back, as the client gave it."""
        address = orjson.loads(self.param).get("callBackUrl")
        return address if isinstance(address, str) and address else None

    @property
    def charged(self) -> Decimal:
        """What the task costs in the end: nothing when it fails."""
        return Decimal(0) if self.directives.fail else self.credits
