"""A provider that turned against us: what it answers and delivers does no harm, and is not paid for.

It stands in the place of KIE. The prompt of a job is the name of its case.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from app.embedded import Services
from app.errors import Throttled
from app.providers.http import open_client
from app.providers.kie import Kie
from app.providers.port import Budget, ProviderKey
from tests.conftest import fresh_database
from tests.examples import make_file
from tests.fakes.web import serving
from tests.security.conftest import Canary, Ordered, assert_paid_for_successes_alone, order
from tests.stack import NO_CERTIFICATES, Client, Stack, running_stack

START = 100
PICTURE = make_file(".png")
Body = Callable[[str], bytes]  # made of the canary's address


def envelope(data: object, **more: object) -> bytes:
    return json.dumps({"code": 200, "msg": "success", "data": data, **more}).encode()


def record(**more: object) -> bytes:
    """A task that succeeded."""
    return envelope({"taskId": "x", "state": "success", "resultJson": json.dumps({"resultUrls": []}), **more})


def result(*urls: object) -> Body:
    """Success, with these addresses; CANARY in them is the canary's."""
    return lambda canary: record(
        resultJson=json.dumps({"resultUrls": urls}).replace("CANARY", canary.removeprefix("http://").rstrip("/"))
    )


async def endless(start: bytes) -> AsyncIterator[bytes]:
    yield start
    while True:
        yield bytes(262_144)
        await asyncio.sleep(0)


def whole(content: bytes, kind: str = "image/png", **headers: str) -> Callable[[str], Response]:
    marked = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Response(content, media_type=kind, headers=marked)


# How it answers a create that it may have taken. Nobody knows, so the job waits a while and is given back its credits.
CREATES: Mapping[str, Callable[[], Response]] = {
    "a page": lambda: Response(b"<html>Welcome to the WiFi of this hotel</html>", media_type="text/html"),
    "JSON without end": lambda: StreamingResponse(endless(b'{"code":200,"data":{"taskId":"')),
    "JSON in a thousand brackets": lambda: Response(b"[" * 200_000),
    "a bomb of gzip": lambda: Response(gzip.compress(bytes(60_000_000)), headers={"Content-Encoding": "gzip"}),
    "a redirect to a canary": lambda: RedirectResponse("CANARY"),
    "a task without an id": lambda: Response(envelope({"taskId": {"$gt": ""}})),
    "a list": lambda: Response(b"[200]"),
    "a code that is no number": lambda: Response(b'{"code": 1e999, "data": {"taskId": "x"}}'),
    "bytes that are no text": lambda: Response(b'\xff\xfe{"code":200}'),
}
# What it says of a task that ends badly. Nothing that it names is opened.
RECORDS: Mapping[str, Body] = {
    "a private address": result("http://CANARY/a.png"),
    "a file of ours": result("file:///etc/passwd"),
    "an address with a user": result("http://user:word@CANARY/a.png"),
    "another protocol": result("gopher://CANARY/_FLUSHALL"),
    "inline data": result("data:image/png;base64,AAAA"),
    "a name that is ours": result("http://localhost:1/a.png"),
    "no addresses but numbers": result(1, None, {"url": "http://CANARY/"}),
    "a result that is no JSON": lambda _: record(resultJson="{'resultUrls':"),
    "nothing, at a cost below nothing": lambda _: record(creditsConsumed=-5),
    "a failure in HTML": lambda _: envelope(
        {"state": "fail", "failCode": "500", "failMsg": "<script>alert(1)</script>" * 10_000}),
}
# What it delivers as the picture.
FILES: Mapping[str, Callable[[str], Response]] = {
    "a redirect inside": RedirectResponse,
    "a page as a picture": whole(b"<script>alert(1)</script>"),
    "a playlist as a picture": lambda canary: Response(f"#EXTM3U\n#EXTINF:1,\n{canary}\n".encode()),
    "a drawing as a picture": whole(b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "a film as a picture": whole(make_file(".mp4"), "video/mp4"),
    "a picture without end": lambda _: StreamingResponse(endless(PICTURE)),
    "a picture that claims a terabyte": whole(b"x", Content_Length=str(2**40)),
    "half a picture": whole(PICTURE[: len(PICTURE) // 2]),
    "nothing": whole(b""),
}
# Nonsense that it may talk for a while, as long as the truth comes after it.
BABBLE: Mapping[str, bytes] = {
    "a page for a record": b"<html>502 Bad Gateway</html>",
    "a record of no state": envelope({"state": "exploded"}),
    "a record that is a list": envelope([1, 2, 3]),
    "a deep record": b'{"code":200,"data":' + b"[" * 100_000,
    "a cost that is no number": record(creditsConsumed="NaN"),
    "a cost without bounds": record(creditsConsumed="1e400"),
    "a progress of a million": envelope({"state": "generating", "progress": 1_000_000}),
}


@dataclass
class Enemy:
    """The provider."""

    canary: str
    url: str = ""
    babbled: set[str] = field(default_factory=set)

    def app(self) -> Starlette:
        return Starlette(routes=[
            Route("/api/v1/jobs/createTask", self.create, methods=["POST"]),
            Route("/api/v1/jobs/recordInfo", self.tell), Route("/files/{case}", self.deliver),
        ])

    async def create(self, request: Request) -> Response:
        case = (await request.json())["input"]["prompt"]
        if case in CREATES:
            response = CREATES[case]()
            if isinstance(response, RedirectResponse):
                response.headers["Location"] = self.canary
            return response
        return Response(envelope({"taskId": case}), media_type="application/json")

    async def tell(self, request: Request) -> Response:
        case = request.query_params["taskId"]
        if case in RECORDS:
            return Response(RECORDS[case](self.canary))
        if case in BABBLE and case not in self.babbled:
            self.babbled.add(case)
            return Response(BABBLE[case])
        return Response(record(resultJson=json.dumps({"resultUrls": [f"{self.url}/files/{case}"]})))

    async def deliver(self, request: Request) -> Response:
        return FILES.get(request.path_params["case"], whole(PICTURE))(self.canary)


@contextmanager
def enemy_at_work(canary: Canary) -> Iterator[Enemy]:
    enemy = Enemy(canary.url)
    with serving(enemy.app()) as enemy.url:
        yield enemy


@pytest.fixture(scope="module")
def stack(services: Services, template: str, canary: Canary) -> Iterator[Stack]:
    """A stack whose KIE is the enemy, and that does not wait long for what was lost."""
    with (
        enemy_at_work(canary) as enemy,
        fresh_database(services, template) as name,
        running_stack(
            services, name, kie_base_url=enemy.url, fetch_allow=(enemy.url.removeprefix("http://"),), grace_s=1
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def client(stack: Stack) -> Client:
    """Who asks for all of them."""
    return stack.client(str(START))


@pytest.fixture(scope="module")
def jobs(client: Client) -> Mapping[str, Ordered]:
    """A job for every case, all asked for at once."""
    return {
        case: order(client, "/text-to-image/generate", "/text-to-image/status", {"prompt": case})
        for case in [*CREATES, *RECORDS, *FILES, *BABBLE]
    }


def failed(jobs: Mapping[str, Ordered], case: str) -> dict[str, Any]:
    status = jobs[case].ended()
    assert status["status"].lower() == "failed", status
    assert (status["image_url"], status["credits_used"]) == (None, 0)
    return status


@pytest.mark.escape("upstream")
@pytest.mark.parametrize("case", CREATES)
def test_an_answer_that_is_none_ends_in_a_refund(jobs: Mapping[str, Ordered], canary: Canary, case: str) -> None:
    assert "lost" in failed(jobs, case)["error"]
    assert canary.callers == []


@pytest.mark.escape("upstream")
@pytest.mark.parametrize("case", [*RECORDS, *FILES])
def test_what_is_no_picture_is_not_paid_for(jobs: Mapping[str, Ordered], canary: Canary, case: str) -> None:
    error = failed(jobs, case)["error"]

    assert error.startswith("The provider ")
    assert "<" not in error
    assert canary.callers == []


@pytest.mark.escape("upstream")
@pytest.mark.parametrize("case", BABBLE)
def test_nonsense_is_asked_about_again(jobs: Mapping[str, Ordered], case: str) -> None:
    status = jobs[case].ended()

    assert status["status"].lower() == "completed", status
    served = httpx.get(status["image_url"], trust_env=False, verify=NO_CERTIFICATES)
    assert served.content == PICTURE


def test_nothing_was_paid_for_nothing(client: Client, jobs: Mapping[str, Ordered]) -> None:
    assert_paid_for_successes_alone(client, jobs.values(), start=START)


@pytest.mark.escape("upstream")
async def test_an_answer_to_an_upload_is_not_read_without_end(tmp_path: Path) -> None:
    async def answer(_: Request) -> Response:
        return StreamingResponse(endless(b'{"code":200,"data":{"downloadUrl":"'))

    key = ProviderKey.of("a key")
    (tmp_path / "a.png").write_bytes(PICTURE)
    with serving(Starlette(routes=[Route("/api/file-stream-upload", answer, methods=["POST"])])) as url:
        async with open_client() as http:
            kie = Kie(http, base_url=url, upload_url=url, keys=(key,), budget=Budget(1, 1, 1))

            with pytest.raises(Throttled):
                await kie.upload(key, tmp_path / "a.png", filename="a.png", content_type="image/png")
