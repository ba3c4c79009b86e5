"""Real downloads by yt-dlp from a site on loopback, through the jail and the proxy."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from deno import find_deno_bin

from app.config import DownloadFrom
from app.errors import FetchFailed, FetchRefused, FileTooLarge, MediaError, UnsupportedMedia
from app.media.assemble import assemble
from app.media.guard import Guard
from app.media.join import Clip
from app.media.platforms import PLATFORMS
from app.media.process import MIB, Limits, run
from app.media.ytdlp import MEMORY_BYTES, Form, Want, download
from tests.fakes.videosite import SECONDS, make_videos, video_site
from tests.fakes.web import serving
from tests.second_decoder import look_at

FILM = Want(Form.MP4)
BEST = Want(Form.BEST)
SMALL = Want(Form.MP4, height=360)
SONG = Want(Form.MP3, only_sound=True)
SOUND = Want(Form.MP4, only_sound=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site with videos. It may be reached although it is on loopback; nothing else there may."""
    folder = tmp_path_factory.mktemp("videos")
    make_videos(folder)
    with serving(video_site(folder, redirects={"private": "http://10.0.0.1/film.mp4"})) as url:
        yield url


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.iterdir())


async def get(
    site: str, path: str, want: Want, folder: Path, *, allow: bool = True, limit_bytes: int = 20 * MIB,
    limit_s: float = 60, from_: DownloadFrom = DownloadFrom.ANYWHERE,
) -> tuple[Clip, str]:
    """Download and put together, as the service does."""
    heard: list[float] = []
    found = await download(
        f"{site}{path}", want, folder=folder, platforms=[PLATFORMS[from_]],
        guard=Guard([site.removeprefix("http://")] if allow else []), limit_bytes=limit_bytes, limit_s=limit_s,
        time_limit_s=60, on_progress=heard.append,
    )
    assert heard == sorted(heard)
    assert heard[-1] == 100
    return await assemble(found.parts, want, on_progress=lambda _: None), found.title


@pytest.mark.parametrize(
    ("path", "want", "expected"),
    [
        pytest.param("/files/720.mp4", FILM, ("mp4", "h264", "aac", 720), id="a file"),
        pytest.param("/several-sizes", FILM, ("mp4", "h264", "aac", 720), id="the best size"),
        pytest.param("/several-sizes", SMALL, ("mp4", "h264", "aac", 360), id="the size that is asked for"),
        pytest.param("/files/dash.mpd", FILM, ("mp4", "h264", "aac", 720), id="DASH with sound of its own"),
        pytest.param("/files/hls.m3u8", SMALL, ("mp4", "h264", "aac", 360), id="HLS with sound of its own"),
        pytest.param("/files/film.webm", FILM, ("mp4", "h264", "aac", 360), id="no H.264"),
        pytest.param("/files/film.webm", BEST, ("webm", "vp9", "opus", 360), id="as it is"),
        pytest.param("/files/dash.mpd", BEST, ("mp4", "h264", "aac", 720), id="the best, merged"),
        pytest.param("/files/dash.mpd", SONG, ("mp3", None, "mp3", 0), id="its sound as MP3"),
        pytest.param("/files/720.mp4", SONG, ("mp3", None, "mp3", 0), id="the sound of a film"),
        pytest.param("/files/song.mp3", SONG, ("mp3", None, "mp3", 0), id="an MP3"),
        pytest.param("/files/hls.m3u8", SOUND, ("mp4", None, "aac", 0), id="its sound as MP4"),
        pytest.param("/files/song.mp3", FILM, ("mp4", None, "aac", 0), id="sound where a film was asked for"),
    ],
)
async def test_what_is_there_becomes_what_is_asked_for(
    site: str, tmp_path: Path, path: str, want: Want, expected: tuple[str, str | None, str, int]
) -> None:
    clip, title = await get(site, path, want, tmp_path)

    look = look_at("video/mp4", clip.path.read_bytes())
    assert (clip.media.container, look.video_codec, look.audio_codec, look.height) == expected
    assert look.seconds == pytest.approx(SECONDS, abs=0.15)
    assert title


@pytest.mark.parametrize(
    ("path", "refusal", "words"),
    [
        ("/several-videos", UnsupportedMedia, "several videos"),
        ("/files/live.m3u8", UnsupportedMedia, "live"),
        ("/files/none.mp4", FetchFailed, "does not exist"),
        ("/to/private", FetchRefused, "public internet"),
        ("/endless.mp4", FileTooLarge, "larger than"),
        ("/huge.mp4", FileTooLarge, "larger than"),
    ],
)
async def test_what_cannot_be_had_is_told_why(
    site: str, tmp_path: Path, path: str, refusal: type[MediaError], words: str
) -> None:
    with pytest.raises(refusal, match=words):
        await get(site, path, FILM, tmp_path)

    assert size_of(tmp_path) <= 24 * MIB


async def test_a_film_that_says_that_it_is_too_large_is_not_begun(site: str, tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        await get(site, "/huge.mp4", FILM, tmp_path, limit_bytes=4000 * MIB)

    assert size_of(tmp_path) <= 4 * MIB


async def test_a_film_that_lasts_too_long_is_not_begun(site: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="too long"):
        await get(site, "/files/hls.m3u8", FILM, tmp_path, limit_s=SECONDS / 2)

    assert size_of(tmp_path) == 0


async def test_a_private_address_is_refused_unless_it_is_allowed(site: str, tmp_path: Path) -> None:
    with pytest.raises(FetchRefused):
        await get(site, "/files/360.mp4", FILM, tmp_path, allow=False)


async def test_only_the_extractors_that_are_allowed_look_at_an_address(site: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia):
        await get(site, "/files/360.mp4", FILM, tmp_path, from_=DownloadFrom.YOUTUBE)


async def test_a_download_that_is_given_up_ends_at_once(site: str, tmp_path: Path) -> None:
    task = asyncio.create_task(get(site, "/endless.mp4", FILM, tmp_path, limit_bytes=4000 * MIB))
    while not size_of(tmp_path):  # noqa: ASYNC110 - the file is the sign that it has begun
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    left = size_of(tmp_path)
    await asyncio.sleep(0.05)
    assert size_of(tmp_path) == left


async def test_riddles_are_solved_in_the_jail(tmp_path: Path) -> None:
    """yt-dlp runs Deno for YouTube: it must start with what the jail leaves, and reach nothing."""
    script = tmp_path / "riddle.js"
    script.write_text("console.log(6 * 7)")
    limits = Limits(time_s=20, memory_bytes=MEMORY_BYTES, port=9)

    assert await run([find_deno_bin(), "run", str(script)], work_dir=tmp_path, limits=limits) == b"42\n"
