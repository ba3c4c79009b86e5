"""The trials bite: each hole, cut into a copy of the code, makes those fail that guard the place."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What follows a redirect: the next address is checked, and reached, by a guard that lets everything through.
UNGUARDED = """
                location = httpx.Headers(response.headers).get("location")
            self = Fetcher(("0.0.0.0/0", "::/0"), resolve=self._guard._resolve)
            url = check_url(str(url.join(location or "")), self._guard)
"""
COPIED = ("app", "workers", "migrations", "tests")


@dataclass(frozen=True)
class Hole:
    """What is cut out of which file, and how many of which trials must fail then."""

    cuts: Mapping[str, tuple[str, str]]
    trials: tuple[str, ...]
    fail: int


HOLES = {
    "redirects are followed wherever they lead": Hole(
        {"app/media/fetch.py": (
            '                url = self._next(url, httpx.Headers(response.headers).get("location"))\n',
            UNGUARDED,
        )},
        ("tests/security/test_network.py",), 12,
    ),
    "FFmpeg guesses the format": Hole(
        {
            "app/media/formats.py": (
                "    return _sniff_frames(head)\n",
                '    return _sniff_frames(head) or Format("mp4", "video/mp4", None, Kinds.VIDEO)\n',
            ),
            "app/media/ffmpeg.py": ("        f=sniffed.demuxer,\n        format_whitelist=sniffed.demuxer,\n", ""),
        },
        ("tests/integration/test_probe.py::test_what_is_not_a_medium_is_refused_unopened",
         "tests/integration/test_ffmpeg.py::test_an_input_is_bound_to_its_format",
         "tests/integration/test_ffmpeg.py::test_a_playlist_is_no_input"), 20,
    ),
    "a job is shown to whoever knows its id": Hole(
        {"app/api/generation.py": (" or view.account_id != key.account_id", "")},
        ("tests/integration/test_tenants.py::test_anothers_job_is_no_job",), 20,
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_found(name: str, tmp_path: Path) -> None:
    hole = HOLES[name]
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, (sound, holed) in hole.cuts.items():
        code = (tmp_path / file).read_text()
        assert code.count(sound) == 1
        (tmp_path / file).write_text(code.replace(sound, holed))

    tried = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", *hole.trials], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=110,
    )

    if re.match(r"\d+ skipped", tried.stdout.splitlines()[-1]):
        pytest.skip("this machine cannot run these trials")
    failed = re.search(r"^(\d+) failed", tried.stdout.splitlines()[-1])
    assert failed is not None, tried.stdout
    assert int(failed[1]) >= hole.fail, tried.stdout
