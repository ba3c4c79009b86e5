"""A disk of a few pages, which can really be full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

BYTES = 256 * 1024


@dataclass(frozen=True)
class SmallDisk:
    """Where it is mounted."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(os.urandom(4_096))

    def make_room(self) -> None:
        """What an operator does about it."""
        self._filler.unlink()

    def files(self) -> list[Path]:
        """What is kept on it."""
        return [path for path in self.folder.rglob("*") if path.is_file() and path != self._filler]


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A disk at a folder that is made for it. Skips the test where this machine does not let us mount one."""
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)
