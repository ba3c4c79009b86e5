"""No address, redirect or name leads the fetcher inside: tried in a network where inside would answer (enclosed.py)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.security import ways_in
from tests.security.ways_in import CANARY, PUBLIC

ROOT = Path(__file__).parents[2]
Case = dict[str, Any]
Found = dict[str, dict[str, Any]]

NOT_IN = "FetchRefused: "


@pytest.fixture(scope="module")
def found() -> Found:
    """What came of every case."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urn", "ip", "link"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")
    ran = subprocess.run(
        [unshare, "-Urn", sys.executable, "-m", "tests.security.enclosed"], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


def test_without_a_guard_they_would_get_in(found: Found) -> None:
    assert found["control"] == {
        "own": [],
        "reached": {
            PUBLIC: [PUBLIC], CANARY: [CANARY], "169.254.169.254": ["169.254.169.254"],
            "168496141": [CANARY], "0x0a0b0c0d": [CANARY], "012.013.014.015": [CANARY],
            "fd00:ec2::254": ["fd00:ec2::254"], "inside.test": [CANARY],
        },
    }


@pytest.mark.escape("address")
@pytest.mark.parametrize("case", ways_in.ADDRESSES)
def test_an_address_is_refused_without_a_packet(found: Found, case: str) -> None:
    came: Case = found["address"][case]

    assert came["outcome"].startswith(NOT_IN)
    assert (came["reached"], came["questions"]) == ([], [])


@pytest.mark.escape("redirect")
@pytest.mark.parametrize("case", ways_in.REDIRECTS)
def test_a_redirect_does_not_lead_inside(found: Found, case: str) -> None:
    came: Case = found["redirect"][case]

    assert set(came["reached"]) == {PUBLIC}
    assert len(came["reached"]) <= 4
    assert CANARY not in came["outcome"]
    assert case in STAYS_OUTSIDE or not came["outcome"].startswith("fetched")


# What names another address in these is not followed, so the stranger's own file is had.
STAYS_OUTSIDE = {
    "without a scheme, by backslashes", "with two addresses", "by a refresh", "by a page", "by another service",
}


@pytest.mark.escape("dns")
@pytest.mark.parametrize("case", ways_in.NAMES)
def test_a_name_does_not_lead_inside(found: Found, case: str) -> None:
    came: Case = found["name"][case]

    assert "was not found on the public internet" in came["outcome"]
    assert came["reached"] == []
    assert len(came["questions"]) <= 1


@pytest.mark.escape("dns")
@pytest.mark.parametrize("case", ways_in.MIXED_NAMES)
def test_a_name_that_leads_inside_as_well_is_followed_outside_alone(found: Found, case: str) -> None:
    came: Case = found["name"][case]

    assert set(came["reached"]) <= {PUBLIC}
    # As many questions as connections that were asked for: nothing is looked up twice on the way to one of them.
    assert len(came["questions"]) == (2 if "from the second" in case else 1)
    assert came["outcome"].startswith(MIXED[case])


MIXED = {
    "private beside public": "fetched", "private behind a dead public one": "FetchFailed: The host of the URL could",
    "public first, then private": "fetched", "private from the second hop on": NOT_IN,
    "private from the second fetch on": NOT_IN,
}
