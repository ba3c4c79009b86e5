"""Which addresses and notations the guard lets through. Nothing here touches a network."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from app.errors import FetchFailed, FetchRefused
from app.media.addresses import AllowList, is_public, parse_host
from app.media.fetch import Fetcher
from app.media.guard import Guard, is_own

PRIVATE = [
    "0.0.0.0",  # noqa: S104 (an address to refuse)
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:7f00:1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111"]

# Each leads a lenient resolver or parser to 127.0.0.1, to a private network, or past the check of the scheme.
ODD_URLS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.01/",
    "http://127.0.0.1./",
    "http://0/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://127｡0｡0｡1/",
    "http://①②⑦.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://127%2e0%2e0%2e1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fd00:ec2::254]/",
    "http://::1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.0.1:80\\@example.com/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:80:80/",
    "http://exa mple.com/",
    "http://example.com\t/",
    "http://-example.com/",
    "http://example..com/",
    "http://.example.com/",
    "http://*.example.com/",
    "http:///etc/passwd",
    "http://",
    "//example.com/",
    "example.com/a.png",
    "ftp://example.com/a.png",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "gopher://127.0.0.1:6379/_PING",
    "gs://bucket/a.png",
    "javascript:alert(1)",
    "",
    "http://example.com/" + "a" * 5_000,
]


async def no_resolver(host: str, port: int) -> Sequence[str]:
    raise AssertionError(f"{host}:{port} was looked up")


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("url", ODD_URLS)
def test_odd_urls_are_refused_without_asking_the_dns(url: str) -> None:
    with pytest.raises(FetchRefused):
        Fetcher(resolve=no_resolver).check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com:8443/a.png?b=c#d",
        "http://8.8.8.8/รูป。.png",
        "http://[2606:4700::1111]:8080/",
        "http://ตัวอย่าง.ไทย/รูป.png",
        "http://EXAMPLE.com./",
        "http://under_score.example.com/",
    ],
)
def test_ordinary_urls_are_accepted(url: str) -> None:
    Fetcher(resolve=no_resolver).check_url(url)


@pytest.mark.parametrize("address", PRIVATE)
async def test_names_that_lead_inside_are_refused(address: str) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return [address]

    with pytest.raises(FetchRefused, match="not found on the public internet") as refused:
        await Guard(resolve=resolve).addresses("files.example.com", 80)

    assert address not in str(refused.value)


async def test_only_the_public_addresses_of_a_mixed_answer_are_used() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["10.0.0.1", "8.8.8.8", "::1", "64:ff9b::808:808", "8.8.8.8", "2606:4700::1111"]

    addresses = await Guard(resolve=resolve).addresses("files.example.com", 443)

    assert [str(address) for address in addresses] == ["8.8.8.8", "2606:4700::1111"]


async def test_an_unknown_name_reads_like_a_private_one() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(FetchFailed, match="not found on the public internet"):
        await Guard(resolve=resolve).addresses("nowhere.example.com", 80)


async def test_the_allow_list_opens_what_it_names_and_no_more() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["10.1.2.3"]

    guard = Guard(["files.lan", "api.lan:81", "10.9.0.0/16", "127.0.0.1:9", "[::1]:9"], resolve=resolve)

    assert [str(address) for address in await guard.addresses("files.lan", 22)] == ["10.1.2.3"]
    assert [str(address) for address in await guard.addresses("API.lan", 81)] == ["10.1.2.3"]
    guard.check("10.9.255.255", 80)
    guard.check("127.0.0.1", 9)
    guard.check("::1", 9)
    for host, port in [("10.8.0.1", 80), ("127.0.0.1", 80), ("::1", 80)]:
        with pytest.raises(FetchRefused):
            guard.check(host, port)
    for host, port in [("api.lan", 80), ("x.files.lan", 80), ("other.lan", 80)]:
        with pytest.raises(FetchRefused):
            await guard.addresses(host, port)


@pytest.mark.parametrize(
    "item", ["", "a b", "http://files.lan", "10.0.0.0/33", "files.lan:port", "127.1", "[::1", "::1%lo"]
)
def test_a_wrong_allow_list_stops_the_start(item: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        AllowList.parse([item])


def test_hosts_are_read_in_one_way_only() -> None:
    assert parse_host("8.8.8.8") == ip_address("8.8.8.8")
    assert parse_host("2606:4700:0::1111") == ip_address("2606:4700::1111")
    assert parse_host("CDN.Example.com") == "cdn.example.com"


def test_an_address_of_this_machine_is_known_without_a_packet() -> None:
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("8.8.8.8"))
