"""The way out for a tool that resolves names and follows redirects by itself: an HTTP proxy with the fetcher's rules.

It lives on loopback as long as one download, answers only whoever knows its secret, asks the guard for every host, and
connects to the address that was checked. Plain requests are passed on one to a connection, so that a second one cannot
slip by unchecked; https goes through CONNECT and stays sealed.
"""

import asyncio
import base64
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.errors import FetchFailed, FetchRefused
from app.media.guard import ADDRESSES_TRIED, Guard

HEAD_BYTES = 64 * 1024
CHUNK = 64 * 1024
HEAD_S = 10.0
CONNECT_S = 10.0
IDLE_S = 30.0
# What concerns the two ends of one connection alone (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade"})


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request to a proxy."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        """The last header of this name, or nothing."""
        return next((value for known, value in reversed(self.headers) if known.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Onward:
    """Where a request goes, what is written there first, and how much of what follows; None is all, both ways."""

    host: str
    port: int
    head: bytes
    body_bytes: int | None


class Proxy:
    """A proxy that runs. `url` holds its secret; `refused` is the last address that it would not connect to."""

    def __init__(self, guard: Guard, *, limit_bytes: int) -> None:
        self.refused: FetchRefused | None = None
        self.port = 0
        self._guard = guard
        self._left = limit_bytes
        self._secret = secrets.token_urlsafe(24)
        self._visits: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://proxy:{self._secret}@127.0.0.1:{self.port}"

    @property
    def is_spent(self) -> bool:
        """Whether more came in than `limit_bytes`, after which nothing does."""
        return self._left <= 0

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        visit = asyncio.create_task(self._serve(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def close(self) -> None:
        """End every connection."""
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            try:
                async with asyncio.timeout(HEAD_S):
                    head = _parse(await reader.readuntil(b"\r\n\r\n"))
            except (ValueError, asyncio.LimitOverrunError):
                await _answer(writer, "400 Bad Request")
                return
            if not self._knows(head):
                await _answer(writer, "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="proxy"')
                return
            await self._pass_on(head, reader, writer)

    def _knows(self, head: Head) -> bool:
        expected = "Basic " + base64.b64encode(f"proxy:{self._secret}".encode()).decode()
        return hmac.compare_digest(head.header("proxy-authorization").encode(), expected.encode())

    async def _pass_on(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = _open_tunnel(head) if head.method == "CONNECT" else _rewrite(head)
            far_reader, far_writer = await self._connect(onward.host, onward.port)
        except ValueError:
            await _answer(writer, "400 Bad Request")
        except FetchRefused as refusal:
            self.refused = refusal
            await _answer(writer, "403 Forbidden")
        except (FetchFailed, OSError, TimeoutError):
            await _answer(writer, "502 Bad Gateway")
        else:
            with closing(far_writer):
                await self._relay(onward, (reader, writer), (far_reader, far_writer))

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: Exception = ConnectionError("no address")
        for address in (await self._guard.addresses(host, port))[:ADDRESSES_TRIED]:
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await asyncio.open_connection(str(address), port)
            except (OSError, TimeoutError) as error:
                failure = error
        raise failure

    async def _relay(
        self,
        onward: Onward,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Carry bytes both ways until the far side ends, falls silent, or has sent too much."""
        if onward.body_bytes is None:
            near[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far[1].write(onward.head)
        up = asyncio.create_task(_carry_up(near[0], far[1], onward.body_bytes))
        try:
            while not self.is_spent:
                async with asyncio.timeout(IDLE_S):
                    chunk = await far[0].read(CHUNK)
                if not chunk:
                    break
                self._left -= len(chunk)
                near[1].write(chunk)
                await near[1].drain()
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)


@asynccontextmanager
async def guarded_proxy(guard: Guard, *, limit_bytes: int) -> AsyncIterator[Proxy]:
    """A proxy for as long as the block lasts, through which at most about `limit_bytes` come in."""
    proxy = Proxy(guard, limit_bytes=limit_bytes)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0, limit=HEAD_BYTES)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()


def _parse(head: bytes) -> Head:
    """Read a request's head. Raises ValueError for what is none."""
    request, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _version = request.split(" ")
    fields = [line.partition(":") for line in lines]
    if any(not colon or not name or name != name.strip() for name, colon, _ in fields):
        raise ValueError("a header without a name")
    return Head(method, target, tuple((name, value.strip()) for name, _, value in fields))


def _open_tunnel(head: Head) -> Onward:
    address = urlsplit(f"//{head.target}")
    if not address.hostname or address.port is None:
        raise ValueError("no host and port")
    return Onward(address.hostname, address.port, b"", None)


def _rewrite(head: Head) -> Onward:
    """A request for a whole URL as the server there expects it. Raises ValueError."""
    address = urlsplit(head.target)
    if address.scheme != "http" or not address.hostname or head.header("transfer-encoding"):
        raise ValueError("not a plain request")
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    kept = [f"{name}: {value}" for name, value in head.headers if name.lower() not in HOP_BY_HOP]
    lines = [f"{head.method} {path} HTTP/1.1", *kept, "Connection: close"]
    written = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return Onward(address.hostname, address.port or 80, written, int(head.header("content-length") or 0))


async def _carry_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
    """Carry what the near side sends: all of it, or the `most` bytes that are its request's body."""
    while most is None or most > 0:
        chunk = await reader.read(CHUNK if most is None else min(CHUNK, most))
        if not chunk:
            return
        most = None if most is None else most - len(chunk)
        writer.write(chunk)
        await writer.drain()


async def _answer(writer: asyncio.StreamWriter, status: str, *headers: str) -> None:
    lines = [f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "Connection: close"]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    await writer.drain()
