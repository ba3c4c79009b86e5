"""Tries the ways in inside a network of its own, where every address there is leads to us. Run by test_network.py.

`unshare -Urn python -m tests.security.enclosed` prints one JSON object: by channel and case what came of the fetch, and
which addresses were connected to. The fetcher is the one of a deployment: no allow list, the system's own resolver.
"""

import asyncio
import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from secrets import token_hex

from app.errors import MediaError
from app.media.fetch import Fetcher
from app.media.guard import is_own
from tests.security import ways_in
from tests.security.ways_in import CANARY, DEAD, PUBLIC, hop

NETWORK = (
    "link set lo up",
    # Every address is ours to answer at, and none but loopback is ours to the eye.
    "route add local default dev lo src 127.0.0.1",
    f"route add unreachable {DEAD} table local",
    "-6 route add local default dev lo",
)
PORTS = (22, 25, 80, 6379)
A, CNAME, AAAA = 1, 5, 28
FILE = b"a stranger's file"


@dataclass
class World:
    """Who was asked what."""

    answers: Sequence[str] = ()
    names: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)

    def begin(self, answers: Sequence[str], names: Mapping[str, Sequence[Sequence[str]]]) -> None:
        """Forget the case before."""
        self.answers, self.names = answers, names
        self.questions, self.reached = [], []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: the stranger's site at its address, and the canary at all others."""
        address = str(writer.get_extra_info("sockname")[0]).removeprefix("::ffff:")
        self.reached.append(address)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            writer.write(self._answer(head.split(" ")[1]).encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str) -> str:
        if path == "/again":
            return hop("302 Found", "/")
        number = path.removeprefix("/")
        if number.isdigit() and int(number) < len(self.answers):
            return self.answers[int(number)]
        return ways_in.page(body=FILE.decode())

    def addresses(self, name: str) -> Sequence[str]:
        """What the name stands for now; unknown ones lead inside."""
        turn = self.questions.count(name) - 1
        script = self.names.get(name, [[CANARY]])
        return script[min(turn, len(script) - 1)] if script else []


class Resolver(asyncio.DatagramProtocol):
    """A name server (RFC 1035). A question for A counts as the name's next one; that for AAAA comes along with it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question, name, kind = self._read(data)
        if kind == A:
            self.world.questions.append(name)
        records, owner = [], name
        for text in self._of_kind(self.world.addresses(name), kind):
            records.append(_record(owner, text))
            owner = text if _is_name(text) else owner
        head = data[:2] + struct.pack(">HHHHH", 0x8580, 1, len(records), 0, 0)
        self.transport.sendto(head + question + b"".join(records), addr)

    @staticmethod
    def _read(data: bytes) -> tuple[bytes, str, int]:
        labels, at = [], 12
        while size := data[at]:
            labels.append(data[at + 1 : at + 1 + size].decode("latin-1"))
            at += 1 + size
        return data[12 : at + 5], ".".join(labels), int.from_bytes(data[at + 1 : at + 3])

    @staticmethod
    def _of_kind(answers: Sequence[str], kind: int) -> list[str]:
        aliases = [text for text in answers if _is_name(text)]
        addresses = [text for text in answers if text not in aliases and (":" in text) == (kind == AAAA)]
        return [*aliases, *addresses] if addresses else []


def _is_name(text: str) -> bool:
    return text[-1].isalpha() and ":" not in text


def _wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _record(owner: str, text: str) -> bytes:
    """One answer, with no time to live."""
    if _is_name(text):
        value, kind = _wire(text), CNAME
    else:
        address = ip_address(text)
        value, kind = address.packed, AAAA if isinstance(address, IPv6Address) else A
    return _wire(owner) + struct.pack(">HHIH", kind, 1, 0, len(value)) + value


async def fetch(fetcher: Fetcher, url: str, folder: str) -> str:
    """`fetched`, or the kind of refusal and its words."""
    try:
        await fetcher.fetch(url, Path(folder) / token_hex(8), limit_bytes=1_000, total_s=5)
    except MediaError as refusal:
        return f"{type(refusal).__name__}: {refusal}"
    return "fetched"


async def try_all(world: World) -> dict[str, dict[str, object]]:
    """Every way in, one after the other."""
    fetcher = Fetcher()
    found: dict[str, dict[str, object]] = {"address": {}, "redirect": {}, "name": {}, "control": {}}
    with tempfile.TemporaryDirectory() as folder:

        async def attempt(url: str) -> dict[str, object]:
            outcome = await fetch(fetcher, url, folder)
            if url.endswith("/twice"):
                outcome = await fetch(fetcher, url, folder)
            return {"outcome": outcome, "reached": world.reached, "questions": world.questions}

        for case, url in ways_in.ADDRESSES.items():
            world.begin([], {})
            found["address"][case] = await attempt(url)
        for case, answers in ways_in.REDIRECTS.items():
            world.begin(answers, {})
            found["redirect"][case] = await attempt(f"http://{PUBLIC}/0")
        for case, (url, script) in {**ways_in.NAMES, **ways_in.MIXED_NAMES}.items():
            world.begin([], {url.split("/")[2].rstrip("."): script})
            found["name"][case] = await attempt(url)
    found["control"] = await control(world)
    return found


async def control(world: World) -> dict[str, object]:
    """That the enclosure does what the cases rely on: without a guard they would lead inside."""
    reached: dict[str, object] = {}
    for host in (PUBLIC, CANARY, "169.254.169.254", "168496141", "0x0a0b0c0d", "012.013.014.015", "fd00:ec2::254",
                 "inside.test"):
        world.begin([], {})
        reader, writer = await asyncio.open_connection(host, 80)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await reader.read()
        writer.close()
        reached[host] = world.reached
    own = [host for host in (PUBLIC, CANARY) if is_own(ip_address(host))]
    return {"reached": reached, "own": own}


def name_servers() -> list[str]:
    """Where the system's resolver asks."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith("nameserver ")] or ["127.0.0.1"]


def build_network() -> None:
    """Lead every address there is to this machine."""
    ip = shutil.which("ip")
    assert ip is not None
    for line in NETWORK:
        subprocess.run([ip, *line.split()], check=True)


async def main() -> None:
    """Serve the network, try the ways in, tell."""
    world = World()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as parts:
        for server in name_servers():
            transport, _ = await loop.create_datagram_endpoint(lambda: Resolver(world), (server, 53))
            parts.callback(transport.close)
        for port in PORTS:
            await parts.enter_async_context(await asyncio.start_server(world.serve, sock=_listener(port)))
        json.dump(await try_all(world), sys.stdout)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    return listener


if __name__ == "__main__":
    build_network()
    asyncio.run(main())
