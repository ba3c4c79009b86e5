"""What the broker asks of a provider of long-running tasks, and the words it is answered in.

Three verdicts exist: done, failed, unknown. A time-out of ours is not a verdict. `submit` answers by returning (taken)
or by raising: Rejected and Broken (not made, final), Throttled (not taken, may be sent again), Unclear (unknown).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol

JsonObject = Mapping[str, object]


@dataclass(frozen=True)
class ProviderKey:
    """One of a provider's API keys. `fingerprint` names it in tables and logs without giving it away."""

    secret: str = field(repr=False)
    fingerprint: str

    @classmethod
    def of(cls, secret: str) -> "ProviderKey":
        return cls(secret=secret, fingerprint=hashlib.sha256(secret.encode()).hexdigest()[:12])


@dataclass(frozen=True)
class Task:
    """A task to submit: the provider's model id and its fields."""

    model: str
    body: JsonObject


@dataclass(frozen=True)
class Outputs:
    """What a finished task made: addresses of files, in order, and values that are not files."""

    urls: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Working:
    """Not finished. `is_generating` is False while the provider itself still queues it; progress is 0 to 100."""

    is_generating: bool
    progress: int | None = None


@dataclass(frozen=True)
class Done:
    """Finished; `cost` in the provider's own credits, if it says."""

    outputs: Outputs
    cost: Decimal | None = None


@dataclass(frozen=True)
class Failed:
    """The provider gave up. `reason` is safe for the client; `detail` is what the provider wrote."""

    reason: str
    detail: str
    cost: Decimal | None = None


@dataclass(frozen=True)
class Missing:
    """The provider knows no such task (yet: it may take some seconds to show a new one)."""


Verdict = Working | Done | Failed | Missing


@dataclass(frozen=True)
class TaskReport:
    """A verdict, and the callback address that the provider holds for the task (the proof whose task it is)."""

    verdict: Verdict
    callback_url: str | None = None


@dataclass(frozen=True)
class Budget:
    """A provider's limits for one key: creates in any `create_window_s` seconds, queries in each second."""

    creates: int
    create_window_s: float
    queries_per_s: float


@dataclass(frozen=True)
class CallAnswer:
    """What a paid call answered: JSON to keep, and whether it wrote a file to the path that it was given."""

    output: JsonObject
    has_file: bool = False
    cost: Decimal | None = None


@dataclass(frozen=True)
class Purse:
    """What is left in our account under a key, and all that was ever spent there, in the provider's unit.

    None for what the provider does not tell.
    """

    left: Decimal | None
    spent: Decimal | None = None


class PurseHolder(Protocol):
    """A provider that tells what is left in our account."""

    @property
    def name(self) -> str:
        """As in tables and settings."""

    @property
    def keys(self) -> tuple[ProviderKey, ...]:
        """Each with a purse of its own."""

    async def purse(self, key: ProviderKey) -> Purse:
        """What the key's account has now. Raises Throttled when there is no answer now."""


class CallProvider(Protocol):
    """A provider that answers a paid call at once."""

    name: str
    keys: tuple[ProviderKey, ...]

    async def call(
        self, key: ProviderKey, ask: JsonObject, *, files: Mapping[str, Path], target: Path
    ) -> CallAnswer:
        """Make the call. A file in the answer is written to `target`.

        Raises Rejected and Broken (final; nothing usable), Throttled (not taken) and Unclear (nobody knows).
        """


class TaskProvider(PurseHolder, Protocol):
    """A provider that takes a task, works on it, and is asked for the result."""

    budget: Budget

    async def upload(self, key: ProviderKey, path: Path, *, filename: str, content_type: str) -> str:
        """Hand up a file; answers the address under which the provider will read it. Raises Rejected, Throttled."""

    async def submit(self, key: ProviderKey, task: Task, *, dialect: str, callback_url: str | None) -> str:
        """Send the task by the routes of its dialect and answer its id.

        Paid: after Unclear it is never called again for the same request.
        """

    async def query(self, key: ProviderKey, task_id: str, *, dialect: str) -> TaskReport:
        """Ask how the task stands. Raises Throttled when there is no answer now."""
