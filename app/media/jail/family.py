"""The processes of a tool: everything that descends from the keeper, whatever session or group it moved to."""

# Without pathlib, which would take longer to import than the rest.
# ruff: noqa: PTH123, PTH208
import contextlib
import os
import resource
import signal
import sys
import time
from typing import TypedDict

LINUX = sys.platform == "linux"
if not LINUX:
    import subprocess

GRACE_S = 2.0


class Seen(TypedDict):
    """One process of the machine; `memory` is resident, in bytes."""

    parent: int
    group: int
    memory: int


def family(child: int) -> dict[int, Seen]:
    """The living descendants of this process and what is left of the child's process group."""
    machine = _linux_machine() if LINUX else _other_machine()
    keeper, own_group = os.getpid(), os.getpgrp()
    found = {
        pid: seen
        for pid, seen in machine.items()
        if seen["group"] == child or (seen["parent"] == keeper and seen["group"] != own_group)
    }
    while more := {pid: seen for pid, seen in machine.items() if seen["parent"] in found and pid not in found}:
        found |= more
    return found


def kill(child: int) -> None:
    """End every one of the family, and return when they are gone, so that their folder can be removed."""
    deadline = time.monotonic() + GRACE_S
    while (living := family(child)) and time.monotonic() < deadline:
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _linux_machine() -> dict[int, Seen]:
    page = resource.getpagesize()
    machine: dict[int, Seen] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # proc_pid_stat(5): after "pid (name) " come state, ppid, pgrp and, 22nd of what follows, rss.
                    fields = file.read().rpartition(b") ")[2].split()
            except OSError:
                continue
            if fields[0] != b"Z":
                memory = int(fields[21]) * page
                machine[int(name)] = {"parent": int(fields[1]), "group": int(fields[2]), "memory": memory}
    return machine


def _other_machine() -> dict[int, Seen]:
    listing = subprocess.run(["/bin/ps", "-Ao", "pid=,ppid=,pgid=,rss="], capture_output=True, check=True)
    machine: dict[int, Seen] = {}
    for line in listing.stdout.splitlines():
        pid, parent, group, kilobytes = map(int, line.split())
        machine[pid] = {"parent": parent, "group": group, "memory": kilobytes * 1024}
    return machine
