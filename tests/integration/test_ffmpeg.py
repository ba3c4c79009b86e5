"""Graphs of ffmpeg-python, run in the jail."""

import asyncio
from itertools import pairwise
from pathlib import Path

import ffmpeg
import pytest

from app.errors import NotMade, UnsupportedMedia
from app.media.ffmpeg import H264, command, media_input, run
from app.media.formats import Kinds
from app.media.probe import probe
from tests.mediafiles import film


async def test_a_graph_runs_and_tells_its_progress(tmp_path: Path) -> None:
    source = media_input(film(tmp_path / "a.mp4"))
    half = ffmpeg.output(source.video.filter("scale", 80, 60), f"{tmp_path}/b.mp4", **H264)
    progress: list[float] = []

    await run(half, work_dir=tmp_path, duration_s=2, time_limit_s=30, on_progress=progress.append)

    info = await probe(tmp_path / "b.mp4", kinds=Kinds.VIDEO)
    assert (info.width, info.height, info.frames) == (80, 60, 50)
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(100, abs=5)


def test_an_input_is_bound_to_its_format(tmp_path: Path) -> None:
    line = command(ffmpeg.output(media_input(film(tmp_path / "a.avi")), "out.mp4"))

    before_input = line[: line.index("-i")]
    options = dict(pairwise(before_input))
    assert (options["-f"], options["-format_whitelist"], options["-protocol_whitelist"]) == ("avi", "avi", "file")
    assert "-nostdin" in before_input
    assert line[line.index("-i") + 1] == f"file:{tmp_path}/a.avi"


@pytest.mark.parametrize("playlist", ["#EXTM3U\n#EXTINF:1,\na.ts\n", "ffconcat version 1.0\nfile a.mp4\n", "v=0\n"])
def test_a_playlist_is_no_input(tmp_path: Path, playlist: str) -> None:
    (tmp_path / "a.mp4").write_text(playlist)

    with pytest.raises(UnsupportedMedia):
        media_input(tmp_path / "a.mp4")


async def test_a_decoder_that_is_not_listed_is_not_used(tmp_path: Path) -> None:
    rare = media_input(film(tmp_path / "a.mkv", "-c:v", "ffv1", sound=False))

    with pytest.raises(NotMade, match="could not be made"):
        await run(ffmpeg.output(rare, f"{tmp_path}/b.mp4"), work_dir=tmp_path, duration_s=2, time_limit_s=30)


async def test_work_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    endless = media_input(film(tmp_path / "a.mp4"), stream_loop=-1)

    with pytest.raises(NotMade, match="too long"):
        await run(
            ffmpeg.output(endless, f"{tmp_path}/b.mp4", **H264), work_dir=tmp_path, duration_s=2, time_limit_s=0.5
        )


async def test_a_cancelled_graph_is_gone(tmp_path: Path) -> None:
    endless = media_input(film(tmp_path / "a.mp4"), stream_loop=-1)
    begun = asyncio.Event()
    output = ffmpeg.output(endless, f"{tmp_path}/b.mp4", **H264)
    running = asyncio.create_task(
        run(output, work_dir=tmp_path, duration_s=2, time_limit_s=30, on_progress=lambda _: begun.set())
    )
    await begun.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
