"""Which addresses on the network are public, and which private ones the operator allows.

Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries. The tables are our own and not
`ipaddress.is_global`, whose answers differ between Python versions and which trusts IPv4 embedded in IPv6.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Never, Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,254}}$){LABEL}(?:\.{LABEL})*\.?", re.IGNORECASE)

NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; also the metadata service of one cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the host of a virtual machine in Azure, under an address that looks public
        "169.254.0.0/16",  # link-local; metadata services of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

# All unicast that the world routes lies in 2000::/3. Loopback, mapped and compatible IPv4, NAT64 (64:ff9b::/96 and
# 64:ff9b:1::/48), unique-local, link-local and multicast lie outside of it.
UNICAST_V6 = IPv6Network("2000::/3")
NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address inside
        "3fff::/20",  # documentation
    )
)
# ISATAP puts an IPv4 address behind this interface identifier, under any prefix.
ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def is_public(address: Address) -> bool:
    """Whether the address is global unicast and cannot lead, by itself or by one inside it, to a private network."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_V4)
    if address not in UNICAST_V6 or any(address in network for network in NOT_PUBLIC_V6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in ISATAP


def parse_host(host: str) -> Address | str:
    """The address when `host` is one in its plain notation, else the name in lower case.

    Raises ValueError for what is neither: among them the octal, hexadecimal, shortened and one-number notations of
    IPv4 that resolvers still accept, IPv6 with a zone, and names that could not stand in the DNS.
    """
    if ":" in host:
        return IPv6Address(host) if "%" not in host else _not_a_host(host)
    last_label = host.rstrip(".").rpartition(".")[2].lower()
    if last_label.isdigit() or last_label.startswith("0x"):
        return IPv4Address(host)
    return host.lower() if HOST_NAME.fullmatch(host) else _not_a_host(host)


def _not_a_host(host: str) -> Never:
    raise ValueError(f"not a host: {host!r}")


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts and networks that may be reached although they are not public. A port of None stands for every port."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, items: Iterable[str]) -> Self:
        """Read `host`, `host:port`, an address with or without a port, and CIDR networks. Raises ValueError."""
        hosts: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for item in items:
            if "/" in item:
                networks.append((ip_network(item), None))
                continue
            name, port = _split_port(item)
            host = parse_host(name)
            if isinstance(host, str):
                hosts.add((host, port))
            else:
                networks.append((ip_network(host), port))
        return cls(frozenset(hosts), tuple(networks))

    def allows_host(self, host: str, port: int) -> bool:
        """Whether the operator named this host, so that every address behind it will do."""
        return (host, None) in self.hosts or (host, port) in self.hosts

    def allows_address(self, address: Address, port: int) -> bool:
        """Whether the operator named this address or a network around it."""
        return any(address in network and allowed in (None, port) for network, allowed in self.networks)


def _split_port(item: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?", item)
    if match is None:
        return item, None
    bracketed, plain, port = match.groups()
    return bracketed or plain or "", int(port) if port else None
