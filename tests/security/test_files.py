"""Files that try to open others, and media that lie, as inputs of local work: whole jobs, through a whole stack."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import httpx
import pytest

from tests.examples import make_file, serve
from tests.mediafiles import film
from tests.security.conftest import (
    READERS_BYTES,
    Canary,
    Ordered,
    assert_paid_for_successes_alone,
    order,
    watched_readers,
)
from tests.security.odd_files import LIARS, ODD, playlists, referring
from tests.stack import NO_CERTIFICATES, Client, Stack

PLAYLISTS = tuple(playlists("", Path()))
REFERRING = tuple(referring("", Path()))
PICTURES, SOUNDS = (".png", ".jpg", ".gif"), (".mp3", ".wav")


START = 100


def job_for(stack: Stack, client: Client, name: str, suffix: str, content: bytes) -> Ordered:
    """A job that works on the file, of a service that takes its kind."""
    url = serve(stack, f"{name.replace(' ', '-')}{suffix}", content)
    if suffix in PICTURES:
        path, body = "/image-to-video/create", {"image_url": url, "duration": 1}
    elif suffix in SOUNDS:
        path, body = "/media/merge-audio", {"audio_urls": [url, serve(stack, "good.mp3", make_file(".mp3"))]}
    else:
        path, body = "/media/extract-last-frame", {"video_url": url}
    status = "/image-to-video/status" if suffix in PICTURES else "/media/status"
    return order(client, path, status, dict(body))


@pytest.fixture(scope="module")
def client(stack: Stack) -> Client:
    """Who asks for all of them."""
    return stack.client(str(START))


@pytest.fixture(scope="module")
def peak() -> Iterator[Callable[[], int]]:
    """The most memory that a process which read one of the files has had."""
    with watched_readers() as most:
        yield most


@pytest.fixture(scope="module")
def jobs(
    stack: Stack, client: Client, canary: Canary, peak: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Ordered]:
    """A job for every file, all asked for at once."""
    neighbour = film(tmp_path_factory.mktemp("neighbour") / "private.mp4")
    files = dict(playlists(canary.url, neighbour))
    for name, (suffix, make) in {**referring(canary.url, neighbour), **LIARS, **ODD}.items():
        files[name] = suffix, make(tmp_path_factory.mktemp("made"))
    return {name: job_for(stack, client, name, suffix, content) for name, (suffix, content) in files.items()}


@pytest.mark.escape("file")
@pytest.mark.parametrize("case", [*PLAYLISTS, *LIARS])
def test_it_is_refused_and_refunded(jobs: Mapping[str, Ordered], canary: Canary, case: str) -> None:
    status = jobs[case].ended()

    assert status["status"] == "failed", status
    field, _, words = status["error"].partition(": ")
    assert field in ("image_url", "audio_urls", "video_url")
    assert words.startswith(("The file ", "The picture "))
    assert status["credits_used"] == 0
    assert canary.callers == []


@pytest.mark.escape("file")
@pytest.mark.parametrize("case", [*REFERRING, *ODD])
def test_it_harms_nobody(jobs: Mapping[str, Ordered], canary: Canary, case: str) -> None:
    status = jobs[case].ended()

    assert canary.callers == []
    if status["status"] == "failed":
        assert status["error"]
        return
    (url,) = (status[name] for name in ("video_url", "image_url", "audio_url") if status.get(name))
    answer = httpx.get(url, trust_env=False, verify=NO_CERTIFICATES)
    assert answer.headers["content-type"].split("/")[0] in ("image", "video", "audio")
    assert b"<script" not in answer.content
    assert PurePosixPath(url).suffix in (".mp4", ".png", ".mp3")


def test_the_service_goes_on_and_nothing_was_paid_for_nothing(
    stack: Stack, client: Client, jobs: Mapping[str, Ordered], peak: Callable[[], int]
) -> None:
    for ordered in jobs.values():
        ordered.ended()
    assert 0 < peak() < READERS_BYTES

    good = job_for(stack, client, "good", ".mp4", make_file(".mp4"))

    assert good.ended()["status"] == "completed"
    assert_paid_for_successes_alone(client, [*jobs.values(), good], start=START)
