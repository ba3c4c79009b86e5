"""`deploy/inventory.py`: the list of what the image is made of, and what is known against it."""

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.fakes.web import serving

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "deploy/requirements/image.txt").read_text()


class Advisories:
    """A mirror of osv.dev that knows something against one package, or against none."""

    def __init__(self) -> None:
        self.bad: str | None = None
        self.asked: set[str] = set()

    async def query(self, request: Request) -> JSONResponse:
        package = (await request.json())["package"]["name"]
        self.asked.add(package)
        found = {"id": "PYSEC-2026-1", "aliases": [], "summary": "It can be told to write anywhere", "affected": []}
        return JSONResponse({"vulns": [found]} if package == self.bad else {})


@pytest.fixture
def advisories() -> Advisories:
    return Advisories()


@pytest.fixture
def address(advisories: Advisories) -> Iterator[str]:
    with serving(Starlette(routes=[Route("/v1/query", advisories.query, methods=["POST"])])) as url:
        yield f"{url}/v1/query"


def take_stock(target: Path, address: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "deploy/inventory.py"), str(target), "--osv-url", address]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def locked() -> set[str]:
    return set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", LOCK, re.MULTILINE))


def test_everything_locked_is_listed_with_its_hashes(tmp_path: Path, address: str) -> None:
    done = take_stock(tmp_path / "sbom.json", address)

    assert "no known" in (done.stdout + done.stderr).lower()
    listed = json.loads((tmp_path / "sbom.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert {part["name"] for part in listed["components"]} == locked()
    for part in listed["components"]:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert part["externalReferences"][0]["hashes"], part["name"]


def test_each_is_asked_about_and_what_is_known_is_told(
    tmp_path: Path, advisories: Advisories, address: str
) -> None:
    advisories.bad = "uvicorn"

    done = take_stock(tmp_path / "sbom.json", address)

    assert done.returncode == 1
    assert re.search(r"uvicorn\s+\S+\s+PYSEC-2026-1", done.stdout)
    for_elsewhere = set(re.findall(r"^(\S+?)==\S+ ;", LOCK, re.MULTILINE))
    assert locked() - for_elsewhere <= advisories.asked


def test_without_an_answer_nothing_is_called_well(tmp_path: Path) -> None:
    done = take_stock(tmp_path / "sbom.json", "http://127.0.0.1:9/v1/query")

    assert done.returncode != 0
    assert (tmp_path / "sbom.json").exists()


@pytest.mark.parametrize(("day", "days"), [("2026-10-26", 0), ("2026-12-25", 60), ("2027-01-01", 67)])
def test_the_age_of_ytdlp_is_told_by_its_version(day: str, days: int) -> None:
    age_of_ytdlp = runpy.run_path(str(ROOT / "deploy/inventory.py"))["age_of_ytdlp"]

    assert age_of_ytdlp("yarl==1.2\nyt-dlp==2026.10.26 \\\n    --hash", date.fromisoformat(day)) == days
