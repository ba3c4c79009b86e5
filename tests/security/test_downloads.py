"""Pages and playlists that try to lead a download inside: real yt-dlp, through the jail and the proxy."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.config import DownloadFrom
from app.errors import MediaError
from app.media.guard import Guard
from app.media.platforms import PLATFORMS
from app.media.process import MIB
from app.media.ytdlp import Form, Want, download
from tests.fakes.web import serving
from tests.mediafiles import film
from tests.security.conftest import READERS_BYTES, Canary, watched_readers

AT_ONCE = 3
SECRET = b"root:x:0:0"
HTML, HLS, DASH, XML = "text/html", "application/vnd.apple.mpegurl", "application/dash+xml", "application/xml"


def page(body: str, head: str = "") -> str:
    return f"<html><head><title>A film</title>{head}</head><body>{body}</body></html>"


def video(source: str) -> str:
    return page(f'<video><source src="{source}" type="video/mp4"></video>')


def playlist(*lines: str) -> str:
    return "\n".join(("#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1", *lines, "#EXT-X-ENDLIST", ""))


def manifest(base: str) -> str:
    return (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period>'
        f'<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" codecs="avc1.64001e">'
        f"<BaseURL>{base}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )


def hop(target: str) -> tuple[int, Mapping[str, str], bytes]:
    return 302, {"location": target}, b""


def shown(kind: str, body: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    return 200, {"content-type": kind, **headers}, body.encode()


def answers(inside: str, own: str) -> Mapping[str, tuple[int, Mapping[str, str], bytes]]:
    """What the site answers, case by case. `inside` is the canary, `own` a good film of the site."""
    smuggled = quote(json.dumps({"http_headers": {"Host": "inside"}, "force_videoid": "../../up", "to_generic": True}))
    segment = ("#EXTINF:1,", own)
    return {
        "a redirect": hop(f"{inside}film.mp4"),
        "a redirect to a file": hop("file:///etc/passwd"),
        "a redirect to data": hop("data:video/mp4;base64,AAAA"),
        "a redirect to a search": hop("ytsearch:film"),
        "a redirect to another protocol": hop(inside.replace("http:", "rtmp:")),
        "a film of a page": shown(HTML, video(f"{inside}film.mp4")),
        "a file of a page": shown(HTML, video("file:///etc/passwd")),
        "a name for a page to go on at": shown(
            HTML, page("", f'<meta http-equiv="refresh" content="0; url={inside}film.mp4">')
        ),
        "a frame": shown(HTML, page(f'<iframe src="{inside}embed/1"></iframe>')),
        "a player's card": shown(HTML, page("", f'<meta property="og:video" content="{inside}film.mp4">')),
        "linked data": shown(HTML, page("", '<script type="application/ld+json">' + json.dumps({
            "@context": "https://schema.org", "@type": "VideoObject", "name": "A film", "contentUrl": f"{inside}a.mp4",
        }) + "</script>")),
        "a feed": shown("application/rss+xml", '<rss version="2.0"><channel><title>F</title><item><title>A</title>'
                        f'<enclosure url="{inside}a.mp4" type="video/mp4"/></item></channel></rss>'),
        "a feed with an entity": shown("application/rss+xml", '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                                       '<rss version="2.0"><channel><title>&x;</title></channel></rss>'),
        "an XSPF list": shown("application/xspf+xml", '<playlist xmlns="http://xspf.org/ns/0/" version="1"><trackList>'
                              f"<track><location>{inside}a.mp4</location></track></trackList></playlist>"),
        "SMIL": shown("application/smil+xml", '<smil xmlns="http://www.w3.org/ns/SMIL"><body>'
                      f'<video src="{inside}a.mp4" system-bitrate="1000"/></body></smil>'),
        "F4M": shown("application/f4m+xml", '<manifest xmlns="http://ns.adobe.com/f4m/1.0">'
                     f'<media url="{inside}a" bitrate="100"/></manifest>'),
        "HLS segments": shown(HLS, playlist("#EXTINF:1,", f"{inside}a.ts")),
        "an HLS segment that is a file": shown(HLS, playlist(*segment, "#EXTINF:1,", "file:///etc/passwd")),
        "an HLS key": shown(HLS, playlist(f'#EXT-X-KEY:METHOD=AES-128,URI="{inside}key"', *segment)),
        "an HLS key that is a file": shown(
            HLS, playlist('#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"', *segment)
        ),
        "an HLS head": shown(HLS, playlist(f'#EXT-X-MAP:URI="{inside}head.mp4"', *segment)),
        "an HLS variant": shown(HLS, f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{inside}list.m3u8\n"),
        "HLS subtitles": shown(HLS, '#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="s",LANGUAGE="en",'
                               f'URI="{inside}subs.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1000,SUBTITLES="s"\n{own}\n'),
        "DASH": shown(DASH, manifest(f"{inside}a.mp4")),
        "a DASH file": shown(DASH, manifest("file:///etc/passwd")),
        "a title that is a path": shown(
            HTML, page(f'<video title="../../../up" src="{own}"></video>').replace("A film", "../../%(id)s/../etc")
        ),
        "options smuggled behind the address": hop(f"{own}#__youtubedl_smuggle={smuggled}"),
        "cookies for elsewhere": shown(
            HTML, video(own), **{"set-cookie": "a=b; Domain=127.0.0.1; Path=../../../etc/cookies"}
        ),
        "a page that grows when it is unpacked": (200, {"content-type": HTML, "content-encoding": "gzip"}, bomb()),
        "a deep page": shown(HTML, page("<div>" * 300_000 + video(f"{inside}a.mp4"))),
    }


@cache
def bomb() -> bytes:
    """5 MB that become 1.2 GB."""
    return gzip.compress(bytes(1200 * MIB), 1)


CASES = tuple(answers("", ""))


class Outcome:
    """What came of a download: why it was refused, if it was, and what lies in its folder."""

    def __init__(self, refusal: MediaError | None, folder: Path) -> None:
        self.refusal = refusal
        self.files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def outcomes(canary: Canary, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """Every case, tried: of the machine's own addresses only the site may be reached."""
    folder = tmp_path_factory.mktemp("site")
    film(folder / "own.mp4")
    tried: dict[str, Outcome] = {}

    async def answer(request: Request) -> Response:
        host = str(request.base_url)
        status, headers, body = answers(canary.url, f"{host}files/own.mp4")[CASES[request.path_params["number"]]]
        return Response(body, status, dict(headers))

    async def attempt(site: str, number: int, turn: asyncio.Semaphore) -> None:
        own = tmp_path_factory.mktemp("download")
        refusal = None
        async with turn:
            try:
                await download(
                    f"{site}/case/{number}", Want(Form.BEST), folder=own, platforms=[PLATFORMS[DownloadFrom.ANYWHERE]],
                    guard=Guard([site.removeprefix("http://")]), limit_bytes=20 * MIB, limit_s=60, time_limit_s=40,
                    on_progress=lambda _: None,
                )
            except MediaError as error:
                refusal = error
        tried[CASES[number]] = Outcome(refusal, own)

    async def all_of(site: str) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(attempt(site, number, turn) for number in range(len(CASES))))

    routes = [Route("/case/{number:int}", answer), Mount("/files", StaticFiles(directory=folder))]
    with serving(Starlette(routes=routes)) as site, watched_readers() as peak:
        asyncio.run(all_of(site))
    assert 0 < peak() < READERS_BYTES
    return tried


@pytest.mark.escape("download")
@pytest.mark.timeout(110)
@pytest.mark.parametrize("case", CASES)
def test_a_download_does_not_get_inside(outcomes: Mapping[str, Outcome], canary: Canary, case: str) -> None:
    came = outcomes[case]

    assert canary.callers == []
    assert came.refusal is not None or came.files
    assert all(name.startswith("part.") for name in came.files)
    assert all(SECRET not in content for content in came.files.values())
    if came.refusal is not None:
        assert "127.0.0.1" not in str(came.refusal)
        assert "/tmp" not in str(came.refusal)  # noqa: S108 - no path of ours is told
