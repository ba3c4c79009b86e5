"""Video downloads over HTTP, from a site of the test's own: what a client sends, gets, and pays in two steps."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app import ledger
from app.catalog.entries.video_download import SERVICE, VideoDownloadRequest, check
from app.catalog.model import MIB, Example
from app.config import Environment, Settings
from app.db.engine import Database
from app.embedded import Services
from app.errors import Invalid
from tests.bad_values import BAD_URLS
from tests.conftest import fresh_database
from tests.fakes.videosite import SECONDS, Gate, make_videos, video_site
from tests.fakes.web import serving
from tests.second_decoder import Look, look_at
from tests.stack import NO_CERTIFICATES, Client, Stack, running_stack

PATIENCE_S = 60
HEAVY_BYTES = 25 * MIB
# What the examples name, on the site of the test; and what becomes of it.
PAGES = {"www.youtube.com": "/files/hls.m3u8", "vimeo.com": "/several-sizes", "soundcloud.com": "/files/dash.mpd"}
FILM = Look("h264", "aac", 1280, 720, SECONDS)
SONG = Look(None, "mp3", 0, 0, SECONDS)

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Downloads:
    """A stack that may download from every site, and the one site that it may reach."""

    stack: Stack
    site: str
    gate: Gate

    def create(self, client: Client, path: str, **fields: object) -> str:
        """The status path of a new job."""
        answer = client.http.post("/api/v1/video-download/create", json={"url": f"{self.site}{path}", **fields})
        assert answer.status_code == 200, answer.text
        created: JsonObject = answer.json()
        assert (created["status"], created["credits_used"]) == ("processing", 0.5)
        return f"/api/v1/video-download/status/{created['job_id']}"

    def end(self, client: Client, path: str) -> JsonObject:
        """The status of a job once it has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            status: JsonObject = client.http.get(path).json()
            if status["completed_at"] is not None:
                return status
            time.sleep(0.02)
        raise AssertionError(f"{path} did not end: {status}")

    def entries(self, client: Client) -> list[tuple[str, Decimal, Decimal]]:
        """Kind, amount and balance after it of all that was booked for jobs, oldest first."""
        return [(entry.kind, entry.amount, entry.balance_after) for entry in self.stack.entries(client)]


@pytest.fixture(scope="module")
def downloads(services: Services, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Downloads]:
    folder = tmp_path_factory.mktemp("videos")
    make_videos(folder)
    gate = Gate(make_heavy(folder))
    site = video_site(folder, redirects={"private": "http://127.0.0.1:9/film.mp4"}, gate=gate)
    with (
        serving(site) as url,
        fresh_database(services, template) as name,
        running_stack(services, name, download_from=["generic"], fetch_allow=[url.removeprefix("http://")]) as stack,
    ):
        yield Downloads(stack, url, gate)


def make_heavy(folder: Path) -> Path:
    """A film of 25 MB: a small one, and bytes that no player looks at (ISO/IEC 14496-12, the box `free`)."""
    film = (folder / "360.mp4").read_bytes()
    padding = HEAVY_BYTES - len(film)
    heavy = folder / "heavy.mp4"
    heavy.write_bytes(film + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8))
    return heavy


def look(url: str) -> Look:
    answer = httpx.get(url, trust_env=False, verify=NO_CERTIFICATES)
    assert answer.status_code == 200
    return look_at(answer.headers["content-type"], answer.content)


@pytest.mark.parametrize("example", SERVICE.examples)
def test_an_example_is_downloaded_and_charged_to_the_last_digit(downloads: Downloads, example: Example) -> None:
    client = downloads.stack.client("10")
    fields: Mapping[str, object] = {name: value for name, value in example.request.items() if name != "url"}
    page = PAGES[str(urlsplit(str(example.request["url"])).hostname)]
    status = downloads.end(client, downloads.create(client, page, no_such_field=1, **fields))

    assert (status["status"], status["error"], status["progress"]) == ("completed", None, 100)
    found, expected = look(status["download_url"]), SONG if fields.get("format") == "mp3" else FILM
    assert (found.video_codec, found.audio_codec, found.width, found.height) == (
        expected.video_codec, expected.audio_codec, expected.width, expected.height
    )
    assert found.seconds == pytest.approx(SECONDS, abs=0.15)
    assert status["duration"] == pytest.approx(SECONDS, abs=0.15)
    assert status["file_size"] == len(httpx.get(status["download_url"], trust_env=False).content)
    assert status["title"]
    assert "video_url" not in status
    assert status["credits_used"] == float(example.credits)
    assert downloads.entries(client) == [("debit", Decimal("-0.5"), Decimal("9.5"))]


def test_a_large_download_is_paid_in_two_steps(downloads: Downloads) -> None:
    client = downloads.stack.client("10")
    status = downloads.end(client, downloads.create(client, "/files/heavy.mp4", format="best"))

    assert (status["status"], status["file_size"], status["credits_used"]) == ("completed", HEAVY_BYTES, 1.5)
    assert downloads.entries(client) == [
        ("debit", Decimal("-0.5"), Decimal("9.5")), ("debit", Decimal(-1), Decimal("8.5")),
    ]
    history = client.http.get("/api/v1/user/credits/history").json()["transactions"]
    assert [(entry["service"], entry["job_id"]) for entry in history[:2]] == [("video-download", status["job_id"])] * 2


def test_what_is_left_is_enough_to_the_last_digit(downloads: Downloads) -> None:
    client = downloads.stack.client("1.5")
    status = downloads.end(client, downloads.create(client, "/files/heavy.mp4", format="best"))

    assert status["credits_used"] == 1.5
    assert downloads.entries(client)[-1] == ("debit", Decimal(-1), Decimal(0))


@pytest.mark.parametrize("path", ["/files/heavy.mp4", "/huge.mp4", "/endless.mp4"])
def test_a_download_that_cannot_be_paid_is_stopped_and_refunded(downloads: Downloads, path: str) -> None:
    client = downloads.stack.client("1.499999999")
    status = downloads.end(client, downloads.create(client, path, format="best"))

    assert (status["status"], status["credits_used"], status["download_url"]) == ("failed", 0, None)
    assert status["error"] == status["message"] == "Insufficient credits: 1.00 required, 1.00 available"
    assert downloads.entries(client) == [
        ("debit", Decimal("-0.5"), Decimal("0.999999999")), ("refund", Decimal("0.5"), Decimal("1.499999999")),
    ]
    assert reasons(downloads, status) == ["insufficient_credits"]


def test_the_cap_of_a_key_bounds_a_download(downloads: Downloads) -> None:
    client = downloads.stack.client("100", credit_limit="1")
    status = downloads.end(client, downloads.create(client, "/files/heavy.mp4", format="best"))

    assert status["error"] == "Insufficient credits: 1.00 required, 0.50 available"
    assert client.http.get("/api/v1/user/credits").json()["credits_balance"] == 100


def test_credits_that_are_spent_meanwhile_do_not_pay(downloads: Downloads) -> None:
    client = downloads.stack.client("1.5")
    path = downloads.create(client, "/gated.mp4", format="best")
    assert downloads.gate.asked.wait(PATIENCE_S)
    downloads.stack.query(partial(take_half, client))
    downloads.gate.opened.set()
    status = downloads.end(client, path)

    assert (status["status"], status["credits_used"], status["download_url"]) == ("failed", 0, None)
    assert status["error"] == "Insufficient credits: 1.00 required, 0.50 available"
    assert reasons(downloads, status) == ["insufficient_credits"]
    assert downloads.entries(client) == [
        ("debit", Decimal("-0.5"), Decimal(1)), ("correction", Decimal("-0.5"), Decimal("0.5")),
        ("refund", Decimal("0.5"), Decimal(1)),
    ]


async def take_half(client: Client, database: Database) -> None:
    """Half a credit less than there was."""
    async with database.transaction() as db:
        await ledger.correct(db, client.account_id, credits=Decimal("-0.5"), key="half", note="Spent meanwhile")


def reasons(downloads: Downloads, status: JsonObject) -> list[str]:
    """Why the job failed, as it is kept."""
    rows = downloads.stack.rows("SELECT reason FROM jobs WHERE id = :id", id=status["job_id"])
    return [row["reason"] for row in rows]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/several-videos", "The address is that of several videos: give that of a single one."),
        ("/to/private", "The URL does not lead to the public internet."),
        ("/files/none.mp4", "The video does not exist (any more)."),
    ],
)
def test_what_cannot_be_downloaded_is_told_and_refunded(downloads: Downloads, path: str, words: str) -> None:
    client = downloads.stack.client("1")
    status = downloads.end(client, downloads.create(client, path))

    assert (status["status"], status["error"], status["credits_used"]) == ("failed", words, 0)
    assert [kind for kind, *_ in downloads.entries(client)] == ["debit", "refund"]


# --- What the settings allow ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [*BAD_URLS, "https://example.com/film.mp4", "https://youtube.com.example.org/watch?v=1"])
def test_by_default_what_is_no_platform_is_refused_before_anything(stack: Stack, url: str) -> None:
    client = stack.client("10")
    answer = client.http.post("/api/v1/video-download/create", json={"url": url})

    refusal = answer.json()
    assert (answer.status_code, refusal["error"]) == (422, "validation_error")
    assert refusal["detail"][0]["loc"] == ["body", "url"]
    assert refusal["message"].startswith("url: ")
    assert stack.entries(client) == []


def test_a_private_network_is_refused_even_where_every_site_is_allowed() -> None:
    settings = Settings(environment=Environment.EMBEDDED, download_from=("generic",))
    request = VideoDownloadRequest(url="http://127.0.0.1:9/film.mp4")

    with pytest.raises(Invalid, match="public internet"):
        check(request, settings)


def test_the_platforms_are_those_of_the_settings(stack: Stack, downloads: Downloads) -> None:
    path = "/api/v1/video-download/supported-platforms"
    usual = stack.client("0").http.get(path).json()
    every = downloads.stack.client("0").http.get(path).json()

    assert usual["success"] is True
    assert {"name": "YouTube", "domains": ["youtube.com", "youtu.be", "youtube-nocookie.com"]} in usual["platforms"]
    assert len(usual["platforms"]) == 12
    assert all(platform["domains"] for platform in usual["platforms"])
    assert every == {"success": True, "platforms": [{"name": "Any site", "domains": []}]}


def test_the_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHAYA_ENVIRONMENT", "embedded")
    monkeypatch.setenv("PHAYA_DOWNLOAD_FROM", "youtube, tiktok")
    assert Settings().download_from == ("youtube", "tiktok")

    monkeypatch.setenv("PHAYA_DOWNLOAD_FROM", "yootube")
    with pytest.raises(ValueError, match="yootube"):
        Settings()
