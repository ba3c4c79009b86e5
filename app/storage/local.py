"""Files in a local folder."""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.errors import StorageFailed
from app.storage.disk import disk_errors, removed_unless_whole, store_errors, sync
from app.storage.port import check_key

CHUNK_BYTES = 256 * 1024
# A draft is written without a pause, so one that has not grown for so long belongs to a process that was killed.
LEFTOVER_AGE_S = 600
CHECK_TIMEOUT_S = 5


class LocalStorage:
    """A folder, private to the user of the process. Several processes may share it."""

    def __init__(self, root: Path) -> None:
        """Make the folder if need be, and clear away the drafts of killed processes. Raises StorageFailed."""
        self._root = root
        self._drafts = root / ".drafts"
        with disk_errors():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._drafts.mkdir(exist_ok=True)
            self._clear_leftovers()

    async def put(self, key: str, source: Path, *, content_type: str) -> None:
        """See Storage. A folder keeps no content type; the register of files does."""
        await asyncio.to_thread(self._put, self._path(key), source)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """See Storage."""
        file, length = await asyncio.to_thread(open_at, self._path(key), start, end)
        # Closing waits for a read that a cancelled reader left in its thread, and that is never long.
        with file:
            yield read_chunks(file, length)

    async def size(self, key: str) -> int:
        """See Storage."""
        with disk_errors():
            return (await asyncio.to_thread(self._path(key).stat)).st_size

    async def fetch_to(self, key: str, target: Path) -> None:
        """See Storage."""
        with disk_errors(), removed_unless_whole(target):
            await asyncio.to_thread(shutil.copyfile, self._path(key), target)

    async def delete(self, key: str) -> None:
        """See Storage."""
        with disk_errors():
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def check(self) -> None:
        """See Storage."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await asyncio.to_thread(self._check)
        except TimeoutError as error:
            raise StorageFailed("The file store does not answer; try again later") from error

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _new_draft(self) -> Path:
        return self._drafts / secrets.token_hex(16)

    def _put(self, target: Path, source: Path) -> None:
        if not source.is_file():
            raise FileNotFoundError(source)
        draft = self._new_draft()
        with store_errors(), removed_unless_whole(draft):
            # A copy, never a link: whoever still holds `source` open must not be able to change what was stored.
            shutil.copyfile(source, draft)
            sync(draft)
            self._make_folder(target.parent)
            draft.replace(target)
            sync(target.parent)

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir()
        except FileExistsError:
            return
        sync(self._root)

    def _check(self) -> None:
        probe = self._new_draft()
        # A full disk still lets us make the file, and asks are many.
        with store_errors(), removed_unless_whole(probe):
            probe.write_bytes(b"check")
            probe.unlink()

    def _clear_leftovers(self) -> None:
        oldest = time.time() - LEFTOVER_AGE_S
        for draft in self._drafts.iterdir():
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < oldest:
                    draft.unlink()


def open_at(path: Path, start: int, end: int | None) -> tuple[BinaryIO, int]:
    """The file, to be read from `start`, and how many bytes of the range it has."""
    with disk_errors():
        file = path.open("rb")
        size = os.fstat(file.fileno()).st_size
        if start and start >= size:
            file.close()
            raise StorageFailed(f"The stored file is shorter than {start} bytes")
        file.seek(start)
    return file, (size if end is None else min(end, size)) - start


async def read_chunks(file: BinaryIO, length: int) -> AsyncIterator[bytes]:
    """The next `length` bytes."""
    while length > 0:
        with disk_errors():
            chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, length))
        if not chunk:
            raise StorageFailed("The stored file became shorter while it was read")
        length -= len(chunk)
        yield chunk
