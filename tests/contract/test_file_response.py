"""A stored file over real HTTP, out of every kind of store."""

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.api.file_response import file_response
from app.errors import AppError
from app.files.models import StoredFile
from app.storage import Storage, new_key
from app.storage.local import LocalStorage
from app.storage.s3 import S3Storage
from tests.fakes.s3 import BUCKET, running_s3
from tests.fakes.web import serving

# The same in every process that collects these tests.
CONTENT = random.Random(1).randbytes(1_000_000)  # noqa: S311 - any bytes do
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
LAST_MODIFIED = "Tue, 24 Nov 2026 06:00:01 GMT"


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


def describe(content: bytes, *, filename: str = "cat.mp4", content_type: str = "video/mp4") -> StoredFile:
    """The register's row for a file with this content."""
    return StoredFile(
        storage_key=new_key(),
        filename=filename,
        content_type=content_type,
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        created_at=datetime(2026, 11, 24, 6, 0, 1, 500_000, tzinfo=UTC),
    )


def application(storage: Storage, file: StoredFile) -> Starlette:
    async def serve(request: Request) -> Response:
        return file_response(request, storage, file)

    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)
        return PlainTextResponse(error.message, status_code=error.status)

    return Starlette(routes=[Route("/file", serve, methods=["GET", "HEAD"])], exception_handlers={AppError: refuse})


@pytest.fixture(scope="module", params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path_factory.mktemp("files"))
    endpoint, keys = request.getfixturevalue("s3_endpoint"), SecretStr("x")
    return S3Storage(BUCKET, endpoint=endpoint, region="us-east-1", access_key=keys, secret_key=keys)


@pytest.fixture(scope="module")
def client(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server with CONTENT at /file."""
    file = describe(CONTENT)
    source = tmp_path_factory.mktemp("source") / "source"
    source.write_bytes(CONTENT)
    asyncio.run(storage.put(file.storage_key, source, content_type=file.content_type))
    with serving(application(storage, file)) as address, httpx.Client(base_url=address) as client:
        yield client


def test_the_whole_file_is_served_with_its_type_and_length(client: httpx.Client) -> None:
    answer = client.get("/file")

    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == ETAG
    assert answer.headers["Last-Modified"] == LAST_MODIFIED
    assert "immutable" in answer.headers["Cache-Control"]


def test_a_browser_may_embed_the_file_but_never_run_it(client: httpx.Client) -> None:
    headers = client.get("/file").headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "script" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Content-Disposition"] == 'inline; filename="cat.mp4"'


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=500000-799999", 500_000, 799_999),
        ("bytes=999900-", 999_900, 999_999),
        ("bytes=0-", 0, 999_999),
        ("bytes=-5", 999_995, 999_999),
        ("bytes=-9999999", 0, 999_999),
        ("bytes=999990-99999999", 999_990, 999_999),
        ("Bytes= 10-19", 10, 19),
    ],
)
def test_one_range_is_served(client: httpx.Client, asked: str, first: int, last: int) -> None:
    answer = client.get("/file", headers={"Range": asked})

    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/1000000"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=1000000-", "bytes=1000000-1000001", "bytes=5000000-6000000", "bytes=-0"])
def test_a_range_outside_the_file_is_416(client: httpx.Client, asked: str) -> None:
    answer = client.get("/file", headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */1000000"
    assert answer.content == b""
    assert "Cache-Control" not in answer.headers


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "bytes=a-b", "bytes", "items=0-1", f"bytes=0-{'9' * 5_000}", "bytes=--5"],
)
def test_a_range_that_we_do_not_serve_means_the_whole_file(client: httpx.Client, asked: str) -> None:
    answer = client.get("/file", headers={"Range": asked})

    assert answer.status_code == 200
    assert answer.content == CONTENT


@pytest.mark.parametrize(
    ("condition", "status"),
    [(ETAG, 206), (LAST_MODIFIED, 206), (f"W/{ETAG}", 200), ('"other"', 200), ("Tue, 24 Nov 2026 06:00:00 GMT", 200)],
)
def test_if_range_guards_against_mixing_two_files(
    client: httpx.Client, condition: str, status: int
) -> None:
    answer = client.get("/file", headers={"Range": "bytes=1-5", "If-Range": condition})

    assert answer.status_code == status


def test_head_answers_as_get_without_the_bytes(client: httpx.Client) -> None:
    whole = client.get("/file")
    answer = client.head("/file", headers={"Range": "bytes=0-5"})

    assert answer.status_code == 200
    assert answer.content == b""
    assert {**answer.headers, "date": ""} == {**whole.headers, "date": ""}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": f'"other", W/{ETAG}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": ETAG, "Range": "bytes=0-5"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": LAST_MODIFIED}, 200),
        ({"If-Modified-Since": LAST_MODIFIED}, 304),
        ({"If-Modified-Since": "Tue, 24 Nov 2026 06:00:00 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
    ],
)
def test_a_copy_that_is_still_good_is_not_sent_again(
    client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    answer = client.get("/file", headers=headers)

    assert answer.status_code == status
    assert answer.headers["ETag"] == ETAG
    assert len(answer.content) == (0 if status == 304 else len(CONTENT))


def test_a_file_that_the_store_has_lost_is_404(storage: Storage) -> None:
    with serving(application(storage, describe(CONTENT))) as address:
        answer = httpx.get(f"{address}/file")

    assert answer.status_code == 404
    assert answer.text == "File not found"


@pytest.mark.parametrize(
    ("filename", "content_type", "expected"),
    [
        ("a.svg", "image/svg+xml", 'attachment; filename="a.svg"'),
        ("a.html", "text/html", 'attachment; filename="a.html"'),
        ("a.png", "image/png", 'inline; filename="a.png"'),
        ("a.mp3", "audio/mpeg", 'inline; filename="a.mp3"'),
        ('a"\r\nX: 1.png', "image/png", "inline; filename=\"a___X: 1.png\"; filename*=UTF-8''a%22%0D%0AX%3A%201.png"),
        ("แมว.mp4", "video/mp4", "inline; filename=\"___.mp4\"; filename*=UTF-8''%E0%B9%81%E0%B8%A1%E0%B8%A7.mp4"),
    ],
)
def test_only_harmless_types_are_shown_and_any_name_is_safe(
    tmp_path: Path, filename: str, content_type: str, expected: str
) -> None:
    file = describe(b"x", filename=filename, content_type=content_type)
    with serving(application(LocalStorage(tmp_path), file)) as address:
        answer = httpx.head(f"{address}/file")

    assert answer.headers["Content-Disposition"] == expected
    assert answer.headers["Content-Type"].startswith(content_type)


def test_a_client_that_goes_away_has_its_file_closed(tmp_path: Path) -> None:
    """The file is sparse, and so large that only a server that stops reading it can close it in time."""
    file = describe(b"")
    file.size = 1 << 40
    storage, path = LocalStorage(tmp_path), tmp_path / file.storage_key
    path.parent.mkdir()
    with path.open("wb") as sparse:
        sparse.truncate(file.size)

    with serving(application(storage, file)) as address:
        with httpx.stream("GET", f"{address}/file") as answer:
            next(answer.iter_raw())
        deadline = time.monotonic() + 10
        while is_open(path):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def is_open(path: Path) -> bool:
    """Whether this process holds the file open."""
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(descriptor.name)), path.stat()):
                return True
    return False
