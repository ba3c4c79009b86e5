"""What every store of files promises. One suite (tests/contract/test_storage.py) holds all of them to it."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

KEY = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{38}(\.[a-z0-9]{1,8})?")


def new_key(suffix: str = "") -> str:
    """A fresh key: 160 random bits and `suffix` (`.mp4`, or nothing), so that people can read a bucket.

    The first byte is a folder too: a folder with a million entries is slow to list and to back up. Raises ValueError
    for an odd suffix.
    """
    name = secrets.token_hex(20)
    return check_key(f"{name[:2]}/{name}{suffix}")


def check_key(key: str) -> str:
    """The key itself. Raises ValueError for anything that `new_key` cannot have made, `../` among it."""
    if not KEY.fullmatch(key):
        raise ValueError(f"Not a storage key: {key!r}")
    return key


class Storage(Protocol):
    """A place for files that are written once and never changed.

    Every method raises ValueError for a malformed key and StorageFailed when the store itself fails.
    """

    async def put(self, key: str, source: Path, *, content_type: str) -> None:
        """Store a copy of `source`; on return it is durable. A reader sees the whole file or none.

        Raises FileNotFoundError if there is no `source`, StorageFull if there is no room. Putting again replaces.
        """

    def open(
        self, key: str, *, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes from `start` up to, without, `end` (or to the end of the file), in chunks.

        Entering raises FileNotFoundError if there is no such file, and StorageFailed if `start` lies behind its last
        byte; so a reader learns both before it has promised anything to anybody.
        """

    async def size(self, key: str) -> int:
        """How many bytes it has. Raises FileNotFoundError if there is no such file."""

    async def fetch_to(self, key: str, target: Path) -> None:
        """Copy the file to `target`, which is left behind only when whole. Raises FileNotFoundError, StorageFull."""

    async def delete(self, key: str) -> None:
        """Make the file be gone; it is no error if it was."""

    async def check(self) -> None:
        """Raise StorageFailed, within seconds, unless the store can be used now."""
