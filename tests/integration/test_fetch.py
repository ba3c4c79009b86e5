"""The fetcher against servers on loopback that answer badly on purpose."""

import asyncio
import contextlib
import datetime
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.errors import FetchFailed, FetchRefused, FileTooLarge
from app.media.fetch import Fetched, Fetcher

BODY = bytes(range(256)) * 1_000
LIMIT = 1_000_000

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """An HTTP server that says exactly what it is told, path by path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Answer] = {}
        self.requests: list[str] = []
        self.port = 0
        self.busy: set[asyncio.Task[None]] = set()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def redirect(self, path: str, location: str, status: int = 302) -> None:
        self.answers[path] = f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.handle(reader, writer))
        self.busy.add(task)
        task.add_done_callback(self.busy.discard)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            answer = self.answers[head.split(" ")[1]]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)

    async def stop(self) -> None:
        for task in self.busy:
            task.cancel()
        await asyncio.gather(*self.busy, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    async with await asyncio.start_server(server.accept, host, 0, ssl=tls) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server
        await server.stop()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


def whole(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: image/png", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def nothing_in(folder: Path) -> bool:
    return not any(folder.iterdir())


async def fetch(url: str, target: Path, **limits: float) -> Fetched:
    limit = int(limits.pop("limit_bytes", LIMIT))
    return await Fetcher(["127.0.0.1"]).fetch(url, target, limit_bytes=limit, **limits)


async def test_a_file_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    server.answers["/a.png?b=c"] = whole(BODY)

    fetched = await fetch(server.url("/a.png?b=c#fragment"), tmp_path / "a")

    assert fetched.path.read_bytes() == BODY
    assert (fetched.size, fetched.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert fetched.content_type_header == "image/png"
    assert "Accept-Encoding: identity" in server.requests[0]
    assert f"Host: 127.0.0.1:{server.port}" in server.requests[0]


async def test_a_body_without_a_length_is_fetched(server: Server, tmp_path: Path) -> None:
    server.answers["/"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    fetched = await fetch(server.url("/"), tmp_path / "a")

    assert fetched.path.read_bytes() == b"hello"
    assert fetched.content_type_header is None


async def test_no_proxy_is_taken_from_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.answers["/"] = whole(b"direct")

    assert (await fetch(server.url("/"), tmp_path / "a")).path.read_bytes() == b"direct"


async def test_redirects_are_followed_three_times(server: Server, tmp_path: Path) -> None:
    server.redirect("/4", "/3", status=301)
    server.redirect("/3", server.url("/2"), status=307)
    server.redirect("/2", "1", status=308)
    server.answers["/1"] = whole(b"there")

    fetched = await fetch(server.url("/4"), tmp_path / "a")

    assert (fetched.path.read_bytes(), fetched.url) == (b"there", server.url("/1"))
    server.redirect("/5", "/4")
    with pytest.raises(FetchFailed, match="more than 3 times"):
        await fetch(server.url("/5"), tmp_path / "b")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "http://127.1:{port}/",
        "http://2130706434:{port}/",
        "//127.0.0.2:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "http://localhost:{port}/",
        "http://127.0.0.1@127.0.0.2:{port}/",
        "http://127.0.0.1:22/",
        "http://inside.test:{port}/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://[broken/",
    ],
)
@pytest.mark.parametrize("hop", [1, 3])
async def test_every_redirect_is_checked(server: Server, tmp_path: Path, location: str, hop: int) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.2"]

    async with serving("127.0.0.2") as canary:
        server.redirect("/3", "/2")
        server.redirect("/2", "/1")
        server.redirect("/1", location.format(port=canary.port))

        with pytest.raises(FetchRefused):
            await Fetcher([f"127.0.0.1:{server.port}"], resolve=resolve).fetch(
                server.url(f"/{hop}"), tmp_path / "a", limit_bytes=LIMIT
            )

        assert canary.requests == []
        assert nothing_in(tmp_path)


async def test_a_name_that_changes_its_address_is_checked_each_time(server: Server, tmp_path: Path) -> None:
    answers = iter(["127.0.0.1", "127.0.0.2"])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return [next(answers)]

    server.redirect("/1", "/2")
    fetcher = Fetcher(["127.0.0.1/32"], resolve=rebinding)

    with pytest.raises(FetchRefused):
        await fetcher.fetch(server.url("/1", "rebind.test"), tmp_path / "a", limit_bytes=LIMIT)

    assert len(server.requests) == 1


async def test_the_next_good_address_is_tried(server: Server, tmp_path: Path) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.3", "127.0.0.1"]

    server.answers["/"] = whole(b"second")
    fetcher = Fetcher(["127.0.0.0/8"], resolve=resolve)

    fetched = await fetcher.fetch(server.url("/", "two.test"), tmp_path / "a", limit_bytes=LIMIT)

    assert fetched.path.read_bytes() == b"second"
    assert f"Host: two.test:{server.port}" in server.requests[0]


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem


@pytest.fixture
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side and the client's side, for the name `files.test`."""
    pem = certificate(tmp_path_factory.mktemp("tls"), "files.test")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem)
    return server_side, ssl.create_default_context(cafile=str(pem))


async def resolve_to_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_tls_is_checked_against_the_name(tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(tls=tls[0]) as server:
        server.answers["/"] = whole(b"secret")
        fetcher = Fetcher(["127.0.0.1"], resolve=resolve_to_loopback, tls=tls[1])

        good = await fetcher.fetch(f"https://files.test:{server.port}/", tmp_path / "a", limit_bytes=LIMIT)
        with pytest.raises(FetchFailed, match="could not be reached"):
            await fetcher.fetch(f"https://other.test:{server.port}/", tmp_path / "b", limit_bytes=LIMIT)

        assert good.path.read_bytes() == b"secret"
        assert len(server.requests) == 1


async def test_https_does_not_fall_back_to_http(tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(tls=tls[0]) as server, serving() as plain:
        server.redirect("/", plain.url("/"))
        fetcher = Fetcher(["127.0.0.1"], resolve=resolve_to_loopback, tls=tls[1])

        with pytest.raises(FetchRefused, match="from https to http"):
            await fetcher.fetch(f"https://files.test:{server.port}/", tmp_path / "a", limit_bytes=LIMIT)

        assert plain.requests == []


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def endless_header(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 1_000 + b"\r\n")
        await writer.drain()


async def endless_chunk_header(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"0" * 1_000)
        await writer.drain()


async def dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def dripping_header(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silent(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    await writer.drain()
    await asyncio.sleep(10)


BAD: dict[str, tuple[bytes | Answer, type[Exception], str]] = {
    "longer than the limit": (whole(b"x" * (LIMIT + 1)), FileTooLarge, "larger than"),
    "claims to be longer": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nx", FileTooLarge, "larger than"),
    "endless": (endless, FileTooLarge, "larger than"),
    "shorter than it says": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", FetchFailed, "broke off"),
    "cut chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", FetchFailed, "broke off"),
    "negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", FetchFailed, "broke off"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", FetchFailed, "broke off"),
    "bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FetchFailed, "broke off"),
    "gzip": (whole(gzip.compress(BODY), "Content-Encoding: gzip"), FetchFailed, "compressed"),
    "gzip transfer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", FetchFailed, "broke off"),
    "endless header": (endless_header, FetchFailed, "broke off"),
    "endless chunk header": (endless_chunk_header, FetchFailed, "broke off"),
    "not HTTP": (b"220 mail.example.com ESMTP\r\n", FetchFailed, "broke off"),
    "nothing": (b"", FetchFailed, "broke off"),
    "no file": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", FetchFailed, "status 404"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", FetchFailed, "status 204"),
    "partial": (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\na", FetchFailed, "status 206"),
    "redirect to nowhere": (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", FetchFailed, "nowhere"),
    "slow drip": (dripping, FetchFailed, "in time"),
    "slow drip of headers": (dripping_header, FetchFailed, "in time"),
    "silence": (silent, FetchFailed, "in time"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_answers_fail_and_leave_no_file(server: Server, tmp_path: Path, case: str) -> None:
    server.answers["/"], error, message = BAD[case]

    with pytest.raises(error, match=message) as failed:
        await fetch(server.url("/"), tmp_path / "a", total_s=0.4, idle_s=0.2)

    assert nothing_in(tmp_path)
    assert "127.0.0.1" not in str(failed.value)


async def test_a_host_that_does_not_listen_fails(tmp_path: Path) -> None:
    async with serving() as server:
        url = server.url("/")

    with pytest.raises(FetchFailed, match="could not be reached"):
        await fetch(url, tmp_path / "a")


async def test_a_cancelled_fetch_leaves_no_file(server: Server, tmp_path: Path) -> None:
    started = asyncio.Event()

    async def begin(writer: asyncio.StreamWriter) -> None:
        started.set()
        await silent(writer)

    server.answers["/"] = begin
    fetching = asyncio.create_task(fetch(server.url("/"), tmp_path / "a"))
    await started.wait()
    fetching.cancel()

    with pytest.raises(asyncio.CancelledError):
        await fetching

    assert nothing_in(tmp_path)


async def test_a_target_that_exists_is_not_overwritten(server: Server, tmp_path: Path) -> None:
    server.answers["/"] = whole(b"new")
    (tmp_path / "a").write_bytes(b"old")

    with pytest.raises(FileExistsError):
        await fetch(server.url("/"), tmp_path / "a")

    assert (tmp_path / "a").read_bytes() == b"old"
