"""The quick form of the torture: nothing is lost, doubled or paid twice, whatever process dies."""

from pathlib import Path

import pytest

from app.torture.plan import Size
from app.torture.run import torture

QUICK = Size(jobs=300, kills=10, per_s=6, patience_s=90)


@pytest.mark.timeout(400)
def test_nothing_is_lost_whatever_dies(tmp_path: Path) -> None:
    verdict = torture(1, QUICK, tmp_path)

    print(*(f"{name}: {figure}" for name, figure in verdict.figures.items()), sep="\n")  # noqa: T201 - shown on failure
    assert verdict.breaches == {}
