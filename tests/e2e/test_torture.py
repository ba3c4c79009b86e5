"""The quick form of the torture: nothing is lost, doubled or paid twice, whatever process dies."""

from pathlib import Path

import pytest

from app.torture.orders import menu
from app.torture.plan import Size, make_plan
from app.torture.run import torture

ROOT = Path(__file__).parents[2]
QUICK = Size(jobs=300, kills=10, per_s=12, patience_s=90)


@pytest.mark.timeout(400)
def test_nothing_is_lost_whatever_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # For the stack's processes, wherever the suite was started.
    verdict = torture(make_plan(1, QUICK, menu()), tmp_path)

    assert verdict.breaches == {}, verdict.figures
