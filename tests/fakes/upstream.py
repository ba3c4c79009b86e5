"""A provider of tasks in memory, which does as it is told and keeps books of what it was asked."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from itertools import count
from pathlib import Path

from app.errors import Broken, Rejected, Throttled, Unclear
from app.providers.port import (
    Budget,
    Done,
    Failed,
    Missing,
    Outputs,
    ProviderKey,
    Purse,
    Task,
    TaskReport,
    Verdict,
    Working,
)

COST = Decimal("0.8")
GENEROUS = Budget(creates=100_000, create_window_s=1, queries_per_s=100_000)


class Mood(Enum):
    """How the next create is answered."""

    TAKE = auto()
    REFUSE = auto()
    BREAK = auto()
    THROTTLE = auto()
    LOSE_ANSWER = auto()  # taken, but nobody is told
    LOSE_REQUEST = auto()  # not taken, and nobody is told


@dataclass
class Taken:
    """An accepted task."""

    callback_url: str | None
    marker: str
    verdict: Verdict = field(default_factory=lambda: Working(is_generating=True))


@dataclass
class Upstream:
    """See app.providers.port.TaskProvider. `meanwhile` runs while a create is under way."""

    name: str = "kie"
    keys: tuple[ProviderKey, ...] = (ProviderKey.of("a-key"),)
    budget: Budget = GENEROUS
    mood: Mood = Mood.TAKE
    meanwhile: Callable[[], Awaitable[None]] | None = None
    is_hidden: bool = False
    tasks: dict[str, Taken] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def upload(self, key: ProviderKey, path: Path, *, filename: str, content_type: str) -> str:
        return f"https://upstream.example/{filename}"

    async def submit(self, key: ProviderKey, task: Task, *, dialect: str, callback_url: str | None) -> str:
        marker = str(task.body["prompt"])
        self.asked[marker] += 1
        refusals = {Mood.REFUSE: Rejected, Mood.BREAK: Broken, Mood.THROTTLE: Throttled}
        task_id = f"task-{next(self.numbers)}"
        if self.mood in (Mood.TAKE, Mood.LOSE_ANSWER):
            self.tasks[task_id] = Taken(callback_url, marker)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.mood in refusals:
            raise refusals[self.mood]("No", detail="as told")
        if self.mood is not Mood.TAKE:
            raise Unclear("Nobody knows", detail="as told")
        return task_id

    async def query(self, key: ProviderKey, task_id: str, *, dialect: str) -> TaskReport:
        task = self.tasks.get(task_id)
        if task is None or self.is_hidden:
            return TaskReport(Missing())
        return TaskReport(task.verdict, task.callback_url)

    async def purse(self, key: ProviderKey) -> Purse:
        return Purse(Decimal(1_000_000))

    def of(self, marker: str) -> list[str]:
        """The tasks that were accepted for a prompt."""
        return [task_id for task_id, task in self.tasks.items() if task.marker == marker]

    def finish(self, task_id: str, *urls: str) -> None:
        """The task is done, and its files are there."""
        outputs = Outputs(urls=urls, values={"character_id": f"made by {task_id}"})
        self.tasks[task_id].verdict = Done(outputs, cost=COST)

    def give_up(self, task_id: str) -> None:
        """The task has failed."""
        self.tasks[task_id].verdict = Failed("It could not be made", detail="as told", cost=Decimal(0))
