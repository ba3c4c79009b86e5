"""Faults queued over the control route, for services without a prompt."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.sandbox.directives import NONE, Directives


@dataclass(frozen=True)
class Match:
    """Which requests a fault is for; an empty field matches all. `route` is the end of the path."""

    provider: str = ""
    model: str = ""
    route: str = ""

    def fits(self, provider: str, route: str, model: str) -> bool:
        return (
            self.provider in ("", provider)
            and self.model in ("", model)
            and (not self.route or route.endswith(self.route))
        )


@dataclass
class Fault:
    """A deviation for the next `count` requests that match."""

    match: Match
    directives: Directives
    count: int


class Faults:
    """The queue."""

    def __init__(self) -> None:
        self._queued: list[Fault] = []

    def queue(self, fault: Fault) -> None:
        self._queued.append(fault)

    def take(self, provider: str, route: str, model: str) -> Directives:
        """What the queue holds for this request; counts it as used."""
        if not self._queued:
            return NONE
        asked = NONE
        for fault in self._queued:
            if fault.match.fits(provider, route, model):
                fault.count -= 1
                asked |= fault.directives
        self._queued = [fault for fault in self._queued if fault.count > 0]
        return asked

    def waiting(self) -> list[Mapping[str, object]]:
        """What has not been used up."""
        return [
            {"match": vars(fault.match), "fault": fault.directives.words(), "count": fault.count}
            for fault in self._queued
        ]

    def clear(self) -> None:
        self._queued.clear()
