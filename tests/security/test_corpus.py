"""The corpus does not shrink: so many distinct ways in are tried through each channel."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
AT_LEAST = {"address": 30, "redirect": 15, "dns": 10, "file": 25, "upload": 15, "upstream": 15, "download": 10}


def test_every_channel_has_its_cases() -> None:
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.security.counting", "--collect-only", "-q", "tests/security"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=100,
    ).stdout
    (line,) = (line for line in collected.splitlines() if line.startswith("escapes: "))
    counts: dict[str, int] = json.loads(line.removeprefix("escapes: "))

    assert {channel: count for channel, count in AT_LEAST.items() if counts.get(channel, 0) < count} == {}
    assert sum(counts.values()) >= 120
