"""The data folder: one stack at a time, and passwords that only its owner can read."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from app.errors import EmbeddedError

PASSWORD_BYTES = 24


@dataclass(frozen=True)
class Passwords:
    """Made at the first start and kept, since the database remembers them."""

    superuser: str
    owner: str
    serving: str
    redis: str


@dataclass(frozen=True)
class Keys:
    """The API keys that `phaya up` shows at every start; a deployment shows a key once."""

    admin_key: str
    demo_key: str


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """The folder, made when it is not there, for us alone. Raises EmbeddedError when it is another's or in use."""
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise EmbeddedError(f"{folder} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise EmbeddedError(f"{folder} is in use by another stack (process {lock.read().strip()})") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield folder


def passwords(folder: Path) -> Passwords:
    """The folder's passwords, made at the first call."""
    path = folder / "passwords.json"
    if not path.exists():
        made = Passwords(*(secrets.token_urlsafe(PASSWORD_BYTES) for _ in fields(Passwords)))
        write_private(path, json.dumps(asdict(made)))
    return Passwords(**json.loads(path.read_text()))


def read_keys(folder: Path) -> Keys | None:
    """The keys that were made for this folder, if any."""
    path = folder / "keys.json"
    return Keys(**json.loads(path.read_text())) if path.exists() else None


def write_keys(folder: Path, keys: Keys) -> None:
    """Keep the keys for the next start."""
    write_private(folder / "keys.json", json.dumps(asdict(keys)))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; whoever looks sees the old file or the whole new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
