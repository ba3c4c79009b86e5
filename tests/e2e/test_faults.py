"""The checks bite: each mistake of app.torture.faults, planted in a small run that is aimed at it, is found."""

from pathlib import Path

import pytest

from app.torture.checks import CHECKS
from app.torture.faults import FAULTS
from app.torture.plan import POOR, Act, Deed, Misdeed, Order, Plan, Stage
from app.torture.run import torture

ROOT = Path(__file__).parents[2]
PICTURE = "text-to-image"


def orders(count: int, bent: str | None, *, account: int = 0, every_s: float = 0.05) -> list[Order]:
    return [Order(number, number * every_s, account, PICTURE, bent) for number in range(count)]


# What is asked for, what is done meanwhile, and how long clients wait, so that the mistake shows.
AIMED: dict[str, Plan] = {
    "no-unique-index": Plan(0, Stage(orders(1, None)), 10),
    "refund-twice": Plan(0, Stage(orders(3, "fail")), 10),
    "settle-from-callback": Plan(0, Stage(orders(4, "forged-callback")), 6),
    "answer-before-commit": Plan(
        0, Stage(orders(40, None), [Act(at_s, Deed.KILL, "api") for at_s in (1.6, 3.2)]), 7
    ),
    "no-fence": Plan(
        0,
        Stage(orders(12, None, every_s=0.2), [
            Act(0, Deed.MISBEHAVE, "sandbox", misdeed=Misdeed("recordInfo", "stall=8", 200)),
            Act(3, Deed.FREEZE, "worker", 0, 12),
        ]),
        20,
    ),
    "resubmit-on-timeout": Plan(0, Stage(orders(3, "lost-answer")), 5),
    "unguarded-debit": Plan(0, Stage(orders(14, "slow=4", account=POOR)), 4),
    "capture-before-file": Plan(0, Stage(orders(3, "no-file")), 10),
}
COPIES = {"api": 1, "worker": 1, "media-worker": 0}


def test_every_mistake_is_aimed_at_and_has_a_check() -> None:
    assert AIMED.keys() == FAULTS.keys()
    assert {fault.caught_by for fault in FAULTS.values()} <= CHECKS.keys()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_mistake_is_found(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    copies = COPIES | ({"worker": 2} if fault == "no-fence" else {})
    verdict = torture(AIMED[fault], tmp_path, fault=fault, copies=copies)

    planted = FAULTS[fault]
    assert any(planted.saying in problem for problem in verdict.breaches.get(planted.caught_by, ())), verdict
