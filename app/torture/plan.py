"""What will happen in a run: what clients ask for, and what is killed when. The same seed gives the same plan."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

Picked = TypeVar("Picked")

# How the upstream misbehaves, by what stands in the prompt, and how often. None: not at all.
BENT: Mapping[str | None, float] = {
    None: 12, "slow=4": 2, "cost=2.5": 1, "hidden=3": 1, "stall=4": 1,
    "late-callback=4": 1, "no-callback": 1, "duplicate-callback": 1, "forged-callback": 1,
    "lost-answer": 2, "lost-answer-no-callback": 1, "bad-json": 1,
    "fail": 1, "no-file": 1, "wrong-file": 1, "cut-file": 0.5, "expired-file": 0.5,
    "code=500": 0.5, "code=501": 0.5, "http=500": 0.5, "http=503": 0.5,
}  # fmt: skip
# After one of these there is no usable file, so the job must not succeed and nothing may be paid for it.
HOPELESS = frozenset({
    "fail", "no-file", "wrong-file", "cut-file", "expired-file", "code=500", "code=501", "http=500", "http=503",
    "lost-answer-no-callback",
})  # fmt: skip


@dataclass(frozen=True)
class Misdeed:
    """What the upstream does to the next `count` requests of a route, whatever is asked."""

    route: str
    word: str
    count: int = 3


MISDEEDS = (
    Misdeed("createTask", "code=429"), Misdeed("createTask", "stall=3"), Misdeed("createTask", "bad-json"),
    Misdeed("recordInfo", "code=429"), Misdeed("recordInfo", "http=503"), Misdeed("recordInfo", "bad-json"),
    Misdeed("recordInfo", "stall=3"),
)  # fmt: skip
MISDEED_EVERY_S = 4.0
CANCEL_SHARE = 0.05
DOUBLE_SHARE = 0.1

ACCOUNTS = 5
# The last account has credits for a few jobs only, so that creates race for the last of them.
POOR = ACCOUNTS - 1
POOR_CREDITS = 10
RICH_CREDITS = 1_000_000

# Who is hit, and how often, beside all of Postgres and Redis.
VICTIMS = {"api": 3.0, "worker": 4.0, "media-worker": 2.0, "sandbox": 1.0, "redis": 0.5}
FREEZE_S = (3.0, 20.0)
FREEZE_SHARE = 0.3
QUIET_START_S = 2.0


@dataclass(frozen=True)
class Burst:
    """Orders that come together, so that a worker has work in hand when it is killed a little later."""

    part: str
    service: str
    bent: str | None
    count: int


BURSTS = (Burst("worker", "text-to-image", "stall=5", 8), Burst("media-worker", "image-to-video", None, 2))
KILL_AFTER_S = 2.0


@dataclass(frozen=True)
class Order:
    """One thing that a client wants. Seconds count from the start; `cancel_after_s` from the create's answer."""

    number: int
    at_s: float
    account: int
    service: str
    bent: str | None
    is_doubled: bool = False
    cancel_after_s: float | None = None

    @property
    def name(self) -> str:
        """What its prompt begins with, and its idempotency key."""
        return f"order-{self.number:05}"


def name_in(text: str) -> str:
    """The name of the order in a prompt or in what an upstream was asked; empty without one."""
    found = re.search(r"order-\d{5}", text)
    return found[0] if found else ""


class Deed(StrEnum):
    """What is done to a process, or over the sandbox's control route."""

    KILL = "kill"
    FREEZE = "freeze"
    WIPE = "wipe"  # Redis: killed, and its data gone
    MISBEHAVE = "misbehave"


@dataclass(frozen=True)
class Act:
    """One act of chaos. `place` picks one of the processes of the part."""

    at_s: float
    deed: Deed
    part: str
    place: int = 0
    for_s: float = 0
    misdeed: Misdeed | None = None


@dataclass(frozen=True)
class Stage:
    """What happens at the same time; times count from its beginning."""

    orders: Sequence[Order] = ()
    acts: Sequence[Act] = ()


@dataclass(frozen=True)
class Plan:
    """A whole run: the storm, and when it is over, the death of one worker of each kind with nothing else amiss, by
    which is measured how fast their jobs go on. No client is patient for more than `patience_s` of a stage."""

    seed: int
    storm: Stage
    patience_s: float
    trial: Stage = Stage()


@dataclass(frozen=True)
class Menu:
    """What can be asked for and how often, and those of it that can be cancelled."""

    services: Mapping[str, float]
    cancellable: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of it. `per_s` is how many orders come in a second; `bent` replaces the ways to misbehave."""

    jobs: int
    kills: int
    per_s: float
    patience_s: float = 200
    bent: Mapping[str | None, float] = field(default_factory=lambda: BENT)


def make_plan(seed: int, size: Size, menu: Menu) -> Plan:
    """Everything that will happen."""
    chance = random.Random(seed)  # noqa: S311 - a plan, no secret
    trial = _trial(chance, size.jobs) if size.kills > len(BURSTS) else Stage()
    count = size.jobs - len(trial.orders)
    storm_s = QUIET_START_S + count / size.per_s
    blows = _storm(chance, size.kills - len(trial.acts), each=max(1, size.kills // 10), until_s=storm_s)
    acts = sorted(blows + _misdeeds(chance, storm_s), key=lambda act: act.at_s)
    orders = [_order(chance, number, storm_s, size, menu) for number in range(count)]
    end_s = max([storm_s] + [act.at_s + act.for_s for act in acts])
    return Plan(seed, Stage(sorted(orders, key=lambda order: order.at_s), acts), end_s + size.patience_s, trial)


def _trial(chance: random.Random, end: int) -> Stage:
    """Bursts of orders, numbered below `end`, and the death of a worker in the middle of each."""
    count = sum(burst.count for burst in BURSTS)
    wanted = [burst for burst in BURSTS for _ in range(burst.count)]
    orders = [
        Order(number, chance.uniform(0, 0.5), 0, burst.service, burst.bent)
        for number, burst in zip(range(end - count, end), wanted, strict=True)
    ]
    return Stage(orders, [Act(KILL_AFTER_S, Deed.KILL, burst.part, chance.randrange(2)) for burst in BURSTS])


def _order(chance: random.Random, number: int, until_s: float, size: Size, menu: Menu) -> Order:
    is_cancelled = chance.random() < CANCEL_SHARE
    return Order(
        number=number,
        at_s=chance.uniform(QUIET_START_S, until_s),
        account=chance.choices(range(ACCOUNTS), [4] * POOR + [1])[0],
        service=_pick(chance, menu.cancellable if is_cancelled else menu.services),
        bent=_pick(chance, size.bent),
        is_doubled=chance.random() < DOUBLE_SHARE,
        cancel_after_s=chance.uniform(0, 6) if is_cancelled else None,
    )


def _storm(chance: random.Random, count: int, *, each: int, until_s: float) -> list[Act]:
    """`count` kills and freezes: `each` of all of Postgres and of Redis, the rest of whatever comes."""
    wipes = max(1, each // 3)
    acts = [Act(0, Deed.KILL, "postgres")] * each + [Act(0, Deed.WIPE, "redis")] * wipes
    acts += [Act(0, Deed.KILL, "redis")] * (each - wipes)
    acts += [_blow(chance) for _ in range(count - len(acts))]
    acts = acts[:count]
    chance.shuffle(acts)
    times = sorted(chance.uniform(QUIET_START_S, until_s) for _ in acts)
    return [replace(act, at_s=at_s) for at_s, act in zip(times, acts, strict=True)]


def _blow(chance: random.Random) -> Act:
    part, place = _pick(chance, VICTIMS), chance.randrange(2)
    if chance.random() < FREEZE_SHARE:
        return Act(0, Deed.FREEZE, part, place, chance.uniform(*FREEZE_S))
    return Act(0, Deed.KILL, part, place)


def _misdeeds(chance: random.Random, until_s: float) -> list[Act]:
    return [
        Act(chance.uniform(QUIET_START_S, until_s), Deed.MISBEHAVE, "sandbox", misdeed=chance.choice(MISDEEDS))
        for _ in range(int(until_s / MISDEED_EVERY_S))
    ]


def _pick(chance: random.Random, weights: Mapping[Picked, float]) -> Picked:
    return chance.choices(list(weights), list(weights.values()))[0]
