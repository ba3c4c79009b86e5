"""HTTP to providers: one client for each, explicit time limits, and what a broken connection means.

Where a request could not be written at all the provider did not take it; from the first written byte on, nobody knows.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from app.errors import Throttled, Unclear

TIMEOUT = httpx.Timeout(connect=10, read=60, write=60, pool=30)
ANSWER_LIMIT_BYTES = 5 * 1024 * 1024

# httpx raises these before a byte of the request is on its way.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def open_client(base_url: str = "", *, connections: int = 200) -> httpx.AsyncClient:
    """A client that follows no redirects, reads no proxy from the environment and keeps its connections."""
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=TIMEOUT,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=50),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "phaya-broker"},
    )


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
