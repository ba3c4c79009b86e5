"""The one fetcher for every URL that is not ours: clients' inputs, results of providers.

It reaches public addresses alone (app.media.guard), checks every redirect anew, takes no proxy from the environment,
and bounds bytes, time and silence while the file streams to the disk.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpcore
import httpx

from app.errors import FetchFailed, FetchRefused, FileGone, FileTooLarge
from app.media.guard import Guard, GuardedNetwork, Resolve, resolve

REDIRECTS = 3
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
GONE_STATUSES = frozenset({404, 410})
URL_LENGTH = 4_096
CONNECT_S = 10.0  # for each address that is tried, and for the TLS handshake
HEADERS = {"User-Agent": "phaya", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched whole. `content_type_header` is the server's claim; `url` is where the file was found."""

    path: Path
    size: int
    sha256: str
    content_type_header: str | None
    url: str


class Fetcher:
    """Made once per process. Safe to use from many tasks at once; holds no connection between fetches."""

    def __init__(
        self, allow: Iterable[str] = (), *, resolve: Resolve = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._guard = Guard(allow, resolve=resolve)
        self._tls = tls or httpx.create_ssl_context()

    def check_url(self, url: str) -> None:
        """Refuse, without a packet, a URL that we would never fetch. Raises FetchRefused."""
        check_url(url, self._guard)

    async def fetch(
        self, url: str, target: Path, *, limit_bytes: int, total_s: float = 120, idle_s: float = 20
    ) -> Fetched:
        """Fetch one file to `target`, which must not exist. On any failure no file stays behind.

        Raises FetchRefused, FetchFailed and FileTooLarge, whose messages are safe for the client.
        """
        with _named_failures():
            async with asyncio.timeout(total_s):
                async with self._follow(check_url(url, self._guard), idle_s) as (final_url, response):
                    _check_answer(response, limit_bytes)
                    size, sha256 = await _save(response, target, limit_bytes)
        headers = httpx.Headers(response.headers)
        return Fetched(target, size, sha256, headers.get("content-type"), str(final_url))

    @asynccontextmanager
    async def _follow(self, url: httpx.URL, idle_s: float) -> AsyncIterator[tuple[httpx.URL, httpcore.Response]]:
        for _ in range(REDIRECTS + 1):
            async with self._get(url, idle_s) as response:
                if response.status not in REDIRECT_STATUSES:
                    yield url, response
                    return
                url = self._next(url, httpx.Headers(response.headers).get("location"))
        raise FetchFailed(f"The URL redirects more than {REDIRECTS} times.")

    def _next(self, url: httpx.URL, location: str | None) -> httpx.URL:
        if not location:
            raise FetchFailed("The URL redirects to nowhere.")
        try:
            target = check_url(str(url.join(location)), self._guard)
        except httpx.InvalidURL as error:
            raise FetchRefused("The URL redirects to an invalid one.") from error
        # Who asked for https asked that nobody on the way can swap the file.
        if url.scheme == "https" and target.scheme == "http":
            raise FetchRefused("The URL redirects from https to http.")
        return target

    @asynccontextmanager
    async def _get(self, url: httpx.URL, idle_s: float) -> AsyncIterator[httpcore.Response]:
        request = httpx.Request("GET", url, headers=HEADERS)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=_port(url), target=url.raw_path)
        timeouts = {"connect": CONNECT_S, "read": idle_s, "write": idle_s}
        # A pool per request: no connection is ever used twice, so each was checked for the request it carries.
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=GuardedNetwork(self._guard)) as pool,
            pool.stream("GET", target, headers=request.headers.raw, extensions={"timeout": timeouts}) as response,
        ):
            yield response


def check_url(url: str, guard: Guard) -> httpx.URL:
    """A URL that may be fetched as far as can be told without a packet. Raises FetchRefused."""
    try:
        parsed = httpx.URL(url) if len(url) <= URL_LENGTH else None
    except (httpx.InvalidURL, ValueError, TypeError):
        parsed = None
    if parsed is None:
        raise FetchRefused("The URL is not valid.")
    if parsed.scheme not in ("http", "https"):
        raise FetchRefused("The URL must begin with http:// or https://.")
    if parsed.userinfo:
        raise FetchRefused("The URL must not hold a user name or password.")
    if not parsed.host:
        raise FetchRefused("The URL has no host.")
    guard.check(parsed.raw_host.decode("ascii"), _port(parsed))
    return parsed


def _port(url: httpx.URL) -> int:
    return url.port if url.port is not None else {"http": 80, "https": 443}[url.scheme]


def _check_answer(response: httpcore.Response, limit_bytes: int) -> None:
    headers = httpx.Headers(response.headers)
    if response.status in GONE_STATUSES:
        raise FileGone(f"The URL answered with status {response.status}.")
    if response.status != 200:
        raise FetchFailed(f"The URL answered with status {response.status}.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchFailed("The URL answered with compressed content, which we did not ask for.")
    if int(headers.get("content-length", 0)) > limit_bytes:
        raise _too_large(limit_bytes)


async def _save(response: httpcore.Response, target: Path, limit_bytes: int) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with _whole_or_no_file(target) as file:
        async for chunk in response.aiter_stream():
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    return size, digest.hexdigest()


@contextmanager
def _whole_or_no_file(path: Path) -> Iterator[BinaryIO]:
    file = path.open("xb")
    try:
        with file:
            yield file
    except BaseException:
        path.unlink()
        raise


def _too_large(limit_bytes: int) -> FileTooLarge:
    return FileTooLarge(f"The file is larger than {limit_bytes / 1_048_576:.4g} MB.")


@contextmanager
def _named_failures() -> Iterator[None]:
    """Turn the failures of the layers below into ours, with words that say nothing of our network."""
    try:
        yield
    except (TimeoutError, httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
        raise FetchFailed("The URL did not send the file in time.") from error
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise FetchFailed("The host of the URL could not be reached.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise FetchFailed("The URL broke off its answer or did not speak HTTP.") from error
