"""A site with videos in the ways that the web has them, some of them traps."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from tests.mediafiles import ffmpeg

SIZES = ("640x360", "1280x720")
SECONDS = 2
CHUNK = 65_536
HELD_BACK_S = 20


def make_videos(folder: Path) -> None:
    """Files of two seconds: whole ones, and HLS and DASH whose sound is a stream of its own."""
    pictures = [part for size in SIZES for part in
                ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={SECONDS}")]
    tone = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}")
    streams = ("-map", "0:v", "-map", "1:v", "-map", "2:a")
    h264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac")
    for number, size in enumerate(SIZES):
        height = size.partition("x")[2]
        ffmpeg(*pictures, *tone, "-map", f"{number}:v", "-map", "2:a", *h264, folder / f"{height}.mp4")
    ffmpeg(*pictures, *tone, "-map", "0:v", "-map", "2:a", "-c:v", "libvpx-vp9", "-deadline", "realtime",
           "-cpu-used", "8", "-c:a", "libopus", folder / "film.webm")
    ffmpeg(*tone, "-c:a", "libmp3lame", folder / "song.mp3")
    ffmpeg(*pictures, *tone, *streams, *h264, "-f", "dash", "-seg_duration", "1",
           "-adaptation_sets", "id=0,streams=0,1 id=1,streams=2", folder / "dash.mpd")
    ffmpeg(*pictures, *tone, *streams, *h264, "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod",
           "-var_stream_map", "v:0,agroup:sound v:1,agroup:sound a:0,agroup:sound,default:yes",
           "-master_pl_name", "hls.m3u8", folder / "hls-%v.m3u8")
    (folder / "live.m3u8").write_text((folder / "hls-0.m3u8").read_text().replace("#EXT-X-ENDLIST", "")
                                      .replace("#EXT-X-PLAYLIST-TYPE:VOD\n", ""))


def page(*sources: str) -> HTMLResponse:
    """A page with a video for each source; what is joined by a bar is one video in several sizes."""
    videos = "".join(
        "<video>" + "".join(f'<source src="{one}" type="video/mp4" label="{Path(one).stem}p">'
                            for one in source.split("|")) + "</video>"
        for source in sources
    )
    return HTMLResponse(f"<html><head><title>A page with a film</title></head><body>{videos}</body></html>")


def video_site(folder: Path, *, redirects: Mapping[str, str], gate: "Gate | None" = None) -> Starlette:
    """The site over files of `make_videos`; `redirects` lead from /to/NAME to an address elsewhere."""

    async def several_sizes(request: Request) -> Response:
        return page("/files/360.mp4|/files/720.mp4")

    async def several_videos(request: Request) -> Response:
        return page("/files/360.mp4", "/files/720.mp4")

    async def redirect(request: Request) -> Response:
        return RedirectResponse(redirects[request.path_params["name"]])

    start = (folder / "360.mp4").read_bytes()
    return Starlette(routes=[
        Route("/several-sizes", several_sizes),
        Route("/several-videos", several_videos),
        Route("/to/{name}", redirect),
        *([Route("/gated.mp4", gate)] if gate else []),
        Route("/endless.mp4", Flood(start)),
        Route("/huge.mp4", Flood(start, claims=4 * 1024**3)),
        Mount("/files", StaticFiles(directory=folder)),
    ])


class Gate:
    """A film that is held back until the test lets it go."""

    def __init__(self, film: Path) -> None:
        self.asked = threading.Event()
        self.opened = threading.Event()
        self._film = film

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await asyncio.to_thread(self.opened.wait, HELD_BACK_S)
        await FileResponse(self._film)(scope, receive, send)


class Flood:
    """A film that goes on as long as somebody takes it. What it claims to be long is its Content-Length, if any."""

    def __init__(self, start: bytes, *, claims: int | None = None) -> None:
        self._start = start
        self._headers = [(b"content-type", b"video/mp4")]
        if claims is not None:
            self._headers.append((b"content-length", str(claims).encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        await send({"type": "http.response.body", "body": self._start, "more_body": True})
        gone = asyncio.create_task(_until_gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": bytes(CHUNK), "more_body": True})
            await asyncio.sleep(0)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
