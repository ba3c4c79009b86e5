"""Care in writing files: named errors, no half files, and bytes that survive a power cut."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StorageFailed, StorageFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn the system's errors into StorageFull and StorageFailed. FileNotFoundError passes: it is an answer."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull("The file store is full; try again later") from error
        raise StorageFailed("The file store does not work; try again later") from error


@contextmanager
def store_errors() -> Iterator[None]:
    """As disk_errors, where no file was asked for: what is missing then is the store itself."""
    try:
        with disk_errors():
            yield
    except FileNotFoundError as error:
        raise StorageFailed("The file store is gone") from error


@contextmanager
def removed_unless_whole(path: Path) -> Iterator[None]:
    """Remove `path` if the block that fills it fails."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Have the file's bytes, or the folder's entries, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
