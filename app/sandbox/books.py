"""What the sandbox was asked, what it accepted and what that cost: the other side of the broker's ledger."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import count

from app.sandbox.journal import Journal
from app.sandbox.records import Asked, Charge, Total
from app.sandbox.tasks import Task

Purse = tuple[str, str]  # provider, key


class Books:
    """Requests, tasks and charges, oldest first; bounded, the oldest go first. Totals are never forgotten."""

    def __init__(self, journal: Journal, *, max_tasks: int, max_requests: int) -> None:
        self._journal = journal
        self._max_tasks = max_tasks
        self._numbers = count(1)
        self.requests: deque[tuple[int, Asked]] = deque(maxlen=max_requests)
        self.tasks: dict[str, Task] = {}
        self.charges: dict[str, Charge] = {}
        self.totals: dict[tuple[str, str, str], Total] = {}
        self.answers: Counter[tuple[str, str, str]] = Counter()
        self.spent: defaultdict[Purse, Decimal] = defaultdict(Decimal)
        self.purses: dict[Purse, Decimal] = {}
        self.called_back: set[str] = set()

    def load(self) -> None:
        """Take over what the journal holds from an earlier process."""
        for record in self._journal.read():
            match record:
                case Asked():
                    self._note(record)
                case Task():
                    self._accept(record)
                case Charge():
                    self._charge(record)

    def note(self, asked: Asked) -> None:
        """Write down a request and its answer."""
        self._note(asked)
        self._journal.write(asked)

    def accept(self, task: Task) -> None:
        """Take a task on and charge for it."""
        self._accept(task)
        self._journal.write(task)

    def charge(self, charge: Charge) -> None:
        """Write down a paid answer. Again with the same id: the corrected cost of the same answer."""
        self._charge(charge)
        self._journal.write(charge)

    def left(self, provider: str, key: str, start: Decimal) -> Decimal:
        """What the key still has, of what it started with."""
        return self.purses.get((provider, key), start) - self.spent[provider, key]

    def set_left(self, provider: str, key: str, amount: Decimal) -> None:
        """Let the key have this much from now on."""
        self.purses[provider, key] = amount + self.spent[provider, key]

    def find(self, wanted: Mapping[str, str], after: int = 0) -> Iterator[tuple[int, Asked]]:
        """The requests whose fields have the wanted values, numbered above `after`, oldest first."""
        for number, asked in self.requests:
            if number > after and all(getattr(asked, field) == value for field, value in wanted.items()):
                yield number, asked

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def reset(self) -> None:
        """Forget everything."""
        self.requests.clear()
        for kept in (self.tasks, self.charges, self.totals, self.answers, self.spent, self.purses):
            kept.clear()
        self.called_back.clear()
        self._journal.clear()

    def _note(self, asked: Asked) -> None:
        self.requests.append((next(self._numbers), asked))
        self.answers[asked.provider, asked.route, asked.answer] += 1
        task = self.tasks.get(asked.task_id) if asked.route == "callback" else None
        if task and asked.at >= task.ends_at:
            self.called_back.add(task.id)

    def _accept(self, task: Task) -> None:
        self.tasks[task.id] = task
        if len(self.tasks) > self._max_tasks:
            oldest = next(iter(self.tasks))
            del self.tasks[oldest]
            self.called_back.discard(oldest)
        self._add("kie", task.model, task.key, accepted=1, cost=task.charged)

    def _charge(self, charge: Charge) -> None:
        earlier = self.charges.get(charge.id)
        self.charges[charge.id] = charge
        if len(self.charges) > self._max_tasks:
            del self.charges[next(iter(self.charges))]
        cost = charge.cost - (earlier.cost if earlier else 0)
        self._add(charge.provider, charge.model, charge.key, accepted=0 if earlier else 1, cost=cost)

    def _add(self, provider: str, model: str, key: str, *, accepted: int, cost: Decimal) -> None:
        total = self.totals.setdefault((provider, model, key), Total())
        total.accepted += accepted
        total.cost += cost
        self.spent[provider, key] += cost
