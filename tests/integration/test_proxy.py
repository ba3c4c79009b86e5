"""The filtering proxy, spoken to in plain bytes."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import pytest

from app.media.guard import Guard
from app.media.proxy import Proxy, guarded_proxy

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
LIMIT_BYTES = 100_000


class Site:
    """A server that answers the same to everything, and keeps what it was sent on each connection."""

    def __init__(self) -> None:
        self.port = 0
        self.answer = ANSWER
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.read(65_536))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    one = Site()
    async with await asyncio.start_server(one.serve, "127.0.0.1", 0) as server:
        one.port = server.sockets[0].getsockname()[1]
        yield one


async def resolve(name: str, port: int) -> Sequence[str]:
    known = {"inside.test": ["10.0.0.1"], "site.test": ["127.0.0.1"]}
    if name not in known:
        raise OSError(name)
    return known[name]


@pytest.fixture
async def proxy(site: Site) -> AsyncIterator[Proxy]:
    """A proxy that may reach the site, by its name alone."""
    async with guarded_proxy(Guard([f"site.test:{site.port}"], resolve=resolve), limit_bytes=LIMIT_BYTES) as running:
        yield running


async def say(proxy: Proxy, words: str, *, secret: str | None = None) -> bytes:
    """What is answered until the connection ends."""
    known = urlsplit(proxy.url)
    login = base64.b64encode(f"proxy:{secret or known.password}".encode()).decode()
    reader, writer = await asyncio.open_connection(known.hostname, known.port)
    writer.write(words.replace("LOGIN", f"Proxy-Authorization: Basic {login}").replace("\n", "\r\n").encode())
    answer = await reader.read()
    writer.close()
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


async def test_a_plain_request_is_passed_on_without_what_is_ours(proxy: Proxy, site: Site) -> None:
    words = (f"POST http://site.test:{site.port}/a?b=c HTTP/1.1\nHost: site.test\nLOGIN\nProxy-Connection: keep-alive\n"
             "Content-Length: 4\n\nbody")

    assert await say(proxy, words) == ANSWER
    head, _, body = site.heard[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines == ["POST /a?b=c HTTP/1.1", "Host: site.test", "Content-Length: 4", "Connection: close"]
    assert body == b"body"


async def test_a_second_request_on_a_connection_reaches_nobody(proxy: Proxy, site: Site) -> None:
    one = f"GET http://site.test:{site.port}/one HTTP/1.1\nHost: site.test\nLOGIN\n\n"
    other = f"GET http://site.test:{site.port}/two HTTP/1.1\nHost: inside.test\nLOGIN\n\n"

    assert await say(proxy, one + other) == ANSWER
    assert len(site.heard) == 1
    assert b"two" not in site.heard[0]


async def test_a_tunnel_carries_bytes_both_ways(proxy: Proxy, site: Site) -> None:
    answer = await say(proxy, f"CONNECT site.test:{site.port} HTTP/1.1\nLOGIN\n\nsealed")

    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n" + ANSWER
    assert site.heard == [b"sealed"]


@pytest.mark.parametrize("secret", ["guess", "proxy"])
async def test_who_does_not_know_the_secret_is_not_served(proxy: Proxy, site: Site, secret: str) -> None:
    answer = await say(proxy, f"CONNECT site.test:{site.port} HTTP/1.1\nLOGIN\n\n", secret=secret)

    assert status(answer) == 407
    assert status(await say(proxy, f"CONNECT site.test:{site.port} HTTP/1.1\n\n")) == 407
    assert site.heard == []


@pytest.mark.parametrize(
    "target",
    ["inside.test:443", "127.0.0.1:{port}", "10.0.0.1:80", "169.254.169.254:80", "[::1]:443",
     "[::ffff:127.0.0.1]:{port}", "0x7f000001:80", "2130706433:80", "inside.test:25"],
)
async def test_what_the_fetcher_would_refuse_is_refused(proxy: Proxy, site: Site, target: str) -> None:
    address = target.format(port=site.port)

    assert status(await say(proxy, f"CONNECT {address} HTTP/1.1\nLOGIN\n\n")) == 403
    assert proxy.refused is not None
    assert status(await say(proxy, f"GET http://{address}/ HTTP/1.1\nLOGIN\n\n")) == 403
    assert site.heard == []


async def test_a_host_that_does_not_exist_or_answer_is_a_bad_gateway(site: Site) -> None:
    async with guarded_proxy(Guard(["site.test"], resolve=resolve), limit_bytes=LIMIT_BYTES) as proxy:
        assert status(await say(proxy, "CONNECT nowhere.test:443 HTTP/1.1\nLOGIN\n\n")) == 502
        assert status(await say(proxy, "CONNECT site.test:1 HTTP/1.1\nLOGIN\n\n")) == 502
        assert proxy.refused is None


@pytest.mark.parametrize(
    "words",
    ["\n\n", "GET\n\n", "CONNECT site.test HTTP/1.1\nLOGIN\n\n", "CONNECT site.test:x HTTP/1.1\nLOGIN\n\n",
     "GET / HTTP/1.1\nLOGIN\n\n", "GET ftp://site.test/ HTTP/1.1\nLOGIN\n\n", "GET http:///a HTTP/1.1\nLOGIN\n\n",
     "GET http://site.test/ HTTP/1.1\nno colon\nLOGIN\n\n",
     "POST http://site.test/ HTTP/1.1\nTransfer-Encoding: chunked\nLOGIN\n\n",
     "POST http://site.test/ HTTP/1.1\nContent-Length: x\nLOGIN\n\n"],
)  # fmt: skip
async def test_what_is_no_request_is_refused(proxy: Proxy, words: str) -> None:
    assert status(await say(proxy, words)) == 400


async def test_no_more_comes_in_than_is_allowed(proxy: Proxy, site: Site) -> None:
    site.answer = bytes(10 * LIMIT_BYTES)
    asked = f"GET http://site.test:{site.port}/ HTTP/1.1\nLOGIN\n\n"

    assert len(await say(proxy, asked)) < 3 * LIMIT_BYTES
    assert proxy.is_spent
    assert await say(proxy, asked) == b""


async def test_it_ends_with_its_block(site: Site) -> None:
    async with guarded_proxy(Guard([], resolve=resolve), limit_bytes=LIMIT_BYTES) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
