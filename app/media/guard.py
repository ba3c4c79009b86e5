"""The guard on the way out: which host may be reached, and at which of its addresses.

A name is resolved once and the connection goes to an address that was checked, so that a second answer of the DNS
cannot lead elsewhere. Whatever connects to a stranger's address (the fetcher, a proxy for downloads) asks here.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, ip_address

import httpcore
from httpcore import SOCKET_OPTION

from app.errors import FetchFailed, FetchRefused
from app.media.addresses import Address, AllowList, is_public, parse_host

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# Under 1024 other protocols listen, some of which act on lines they find in an HTTP request (SMTP).
WELL_KNOWN_PORTS = (80, 443)
FIRST_FREE_PORT = 1024
ADDRESSES_TRIED = 3

# One sentence for a name that does not exist and for one that leads inside: the difference would map our network.
NOT_FOUND = "The host of the URL was not found on the public internet."
NOT_PUBLIC = "The URL does not lead to the public internet."

# Threads of our own: a stranger's slow name server must not use up those that everything else waits for.
_resolvers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="resolve")


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver for the addresses of a host, best first. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_resolvers, socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Guard:
    """Decides where we may connect to, by the operator's allow list (`host`, `host:port`, CIDR) and our own rules."""

    def __init__(self, allow: Iterable[str] = (), *, resolve: Resolve = resolve) -> None:
        self._allow = AllowList.parse(allow)
        self._resolve = resolve

    def check(self, host: str, port: int) -> None:
        """Refuse what can be refused without asking the DNS. Raises FetchRefused."""
        self._checked(host, port)

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of the host that we may connect to, best first, at least one. Raises FetchRefused, FetchFailed.

        Of a mixed answer the good addresses are used and the others ignored: resolvers in IPv6-only networks add NAT64
        addresses, which we refuse, to public names. Nothing is lost, as only what was checked is connected to.
        """
        name = self._checked(host, port)
        if not isinstance(name, str):
            return [name]
        try:
            answer = [ip_address(text) for text in dict.fromkeys(await self._resolve(name, port))]
        except (OSError, ValueError) as error:
            raise FetchFailed(NOT_FOUND) from error
        allowed = self._allow.allows_host(name, port)
        good = [address for address in answer if allowed or self._may_reach(address, port)]
        if not good:
            raise FetchRefused(NOT_FOUND)
        return good

    def _checked(self, host: str, port: int) -> Address | str:
        try:
            name = parse_host(host)
        except ValueError as error:
            raise FetchRefused("The host of the URL is not written in a form that we accept.") from error
        if isinstance(name, str):
            named = self._allow.allows_host(name, port)
        else:
            named = self._allow.allows_address(name, port)
            if not self._may_reach(name, port):
                raise FetchRefused(NOT_PUBLIC)
        if not named and port not in WELL_KNOWN_PORTS and not FIRST_FREE_PORT <= port <= 65535:
            raise FetchRefused("The port of the URL is not one that we connect to.")
        return name

    def _may_reach(self, address: Address, port: int) -> bool:
        return self._allow.allows_address(address, port) or (is_public(address) and not is_own(address))


def is_own(address: Address) -> bool:
    """Whether this machine has the address itself: what listens there may trust us. Sends nothing."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return str(probe.getsockname()[0]) == str(address)
    except OSError:  # no route to it, so not ours
        return False


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """The network as httpcore sees it through the guard. Host header and TLS keep the name; the address is ours."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's good addresses that answers, each within `timeout` seconds."""
        addresses = await self._guard.addresses(host, port)
        for address in addresses[:ADDRESSES_TRIED]:
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
