"""HTTP to providers: one client for each, explicit time limits, and what a broken connection means.

Where a request could not be written at all the provider did not take it; from the first written byte on, nobody knows.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import httpx

from app.errors import Throttled, Unclear

TIMEOUT = httpx.Timeout(connect=10, read=60, write=60, pool=30)
ANSWER_LIMIT_BYTES = 5 * 1024 * 1024

# httpx raises these before a byte of the request is on its way.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


KEEP_S = 5.0


def open_client(*, connections: int = 200, keep_s: float = KEEP_S) -> httpx.AsyncClient:
    """A client that follows no redirects, reads no proxy from the environment and keeps its connections."""
    return httpx.AsyncClient(
        timeout=TIMEOUT,
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=50, keepalive_expiry=keep_s
        ),
        follow_redirects=False,
        trust_env=False,
        verify=_trusted(),
        headers={"User-Agent": "phaya-broker"},
    )


@cache
def _trusted() -> ssl.SSLContext:
    # Reading the certificates takes longer than opening a connection.
    return httpx.create_ssl_context(trust_env=False)


class ClientFleet:
    """Small clients in the place of one large: httpx looks at all connections of a client for every request.

    The first that has room is taken, so that few requests share few connections, which stay warm.
    """

    CONNECTIONS = 8

    def __init__(self, *, connections: int, keep_s: float) -> None:
        self._most = connections // self.CONNECTIONS
        self._keep_s = keep_s
        self._clients: list[httpx.AsyncClient] = []
        self._taken: list[int] = []

    @contextmanager
    def take(self) -> Iterator[httpx.AsyncClient]:
        """A client for one request. Beyond the most connections requests wait for one, as httpx' limits say."""
        place = self._find_room()
        self._taken[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._taken[place] -= 1

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.aclose()

    def _find_room(self) -> int:
        for place, taken in enumerate(self._taken):
            if taken < self.CONNECTIONS:
                return place
        if len(self._clients) < self._most:
            self._clients.append(open_client(connections=self.CONNECTIONS, keep_s=self._keep_s))
            self._taken.append(0)
            return len(self._clients) - 1
        return self._taken.index(min(self._taken))


@contextmanager
def paid_call(provider: str) -> Iterator[None]:
    """Translate the transport's errors for a call that costs money: not sent is Throttled, all else Unclear."""
    try:
        yield
    except NOT_SENT as error:
        raise Throttled("The provider cannot be reached", detail=f"{provider}: {error!r}") from error
    except httpx.HTTPError as error:
        raise Unclear("The provider did not answer", detail=f"{provider}: {error!r}") from error


@contextmanager
def free_call(provider: str) -> Iterator[None]:
    """Translate the transport's errors for a call that may be repeated: all are Throttled."""
    try:
        yield
    except httpx.HTTPError as error:
        raise Throttled("The provider cannot be reached", detail=f"{provider}: {error!r}") from error


async def read_limited(response: httpx.Response, *, limit: int = ANSWER_LIMIT_BYTES) -> bytes:
    """The body of a streamed answer, cut off with an error at the limit: answers of providers are hostile too."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise httpx.RemoteProtocolError(f"an answer of more than {limit} bytes")
    return bytes(body)
