"""What a run must not leave behind: processes and temporary files."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def leftovers(data: Path, blows: int) -> Iterator[str]:
    """What is still there of a stopped stack in `data` that was dealt so many blows."""
    for pid in _processes_of(data):
        yield f"process {pid} still runs"
    for folder in sorted(data.glob("work/*")):
        yield f"{folder} was left behind"
    # Each blow may cut one upload or result short in its draft; the store clears such drafts when they are old.
    drafts = list(data.glob("files/.drafts/*"))
    if len(drafts) > blows:
        yield f"{len(drafts)} drafts in the store after {blows} blows"


def _processes_of(data: Path) -> Iterator[int]:
    """Processes that work in the folder, or were told of it. Known from /proc, so on Linux alone."""
    mark = os.fsencode(data.absolute())
    for process in Path("/proc").glob("[0-9]*"):
        # They may end while we look, and others' are none of our business.
        with suppress(OSError):
            place = os.fsencode(process.joinpath("cwd").readlink())
            words = process.joinpath("cmdline").read_bytes() + process.joinpath("environ").read_bytes()
            if int(process.name) != os.getpid() and (place.startswith(mark) or mark in words):
                yield int(process.name)
