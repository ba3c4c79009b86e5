"""The keeper: a small process that starts one command, watches it, and lets nothing of it live on.

`app.media.process` runs it as a script, with the standard library alone: python -I -S keeper.py LIMITS COMMAND...

It stands between us and the tool because limits can be set safely only in a process without threads, and because it
outlives us: its standard input is a lifeline that ends when we let go or die, even by SIGKILL, and then it kills the
command and all of its descendants. Should the keeper itself be killed, the kernel kills the command (Linux).
Its verdict goes to a pipe of its own as JSON.
"""

# Without pathlib, which would take longer to import than the rest, at every start of a tool.
# ruff: noqa: PTH123, PTH208
import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import TypedDict

LINUX = sys.platform == "linux"
if not LINUX:
    import subprocess

LIFELINE = 0
WATCH_S = 0.05
WATCH_SHARE = 0.05  # of one core, at most, however many processes the machine has
GRACE_S = 2.0
OPEN_FILES = 256
NICENESS = 10  # the api shares the cores with us

# <linux/prctl.h>, <linux/sched.h>
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000


class Limits(TypedDict):
    """What `app.media.process.Limits` says, and the pipe for the verdict."""

    time_s: float
    memory_bytes: int
    file_bytes: int
    processes: int
    offline: bool
    verdict: int


class Verdict(TypedDict):
    """How it ended: which limit stopped it, if one did, and its exit status (or minus the signal)."""

    stopped: str | None
    code: int


class Seen(TypedDict):
    """One process of the machine."""

    parent: int
    group: int
    memory: int


def main() -> None:
    """Run the command in argv under the limits in argv, and tell the verdict."""
    limits: Limits = json.loads(sys.argv[1])
    os.set_inheritable(limits["verdict"], False)
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ringer)
    if LINUX:
        _libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(sys.argv[2:], limits, keeper)
    try:
        verdict = _watch(child, limits, bell)
    finally:
        _kill(child)
    os.write(limits["verdict"], json.dumps(verdict).encode())


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _become(command: list[str], limits: Limits, keeper: int) -> None:
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.nice(NICENESS)
        _set_resource_limits(limits)
        if LINUX:
            _confine(limits["offline"])
        if os.getppid() == keeper:  # else it died before the kernel was told to kill us with it
            os.execv(command[0], command)  # noqa: S606 (no shell is what we want)
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _set_resource_limits(limits: Limits) -> None:
    cores = os.cpu_count() or 1
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(limits["time_s"] * cores) + 1,
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NOFILE: OPEN_FILES,
    }
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def _confine(offline: bool) -> None:
    libc = _libc()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # An empty network namespace where the kernel grants one: as root, else inside a user namespace.
    if offline and libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    # Last, because a new user namespace forgets it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(child: int, limits: Limits, bell: int) -> Verdict:
    """Wait for the end of the child, or make it when a limit is passed or the lifeline ends."""
    deadline = time.monotonic() + limits["time_s"]
    pause_s = 0.0
    while True:
        ready, _, _ = select.select([LIFELINE, bell], [], [], pause_s)
        if bell in ready:
            os.read(bell, 4096)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return {"stopped": None, "code": os.waitstatus_to_exitcode(status)}
        began = time.monotonic()
        stopped = "abandoned" if LIFELINE in ready else _excess(child, limits, deadline)
        if stopped:
            return {"stopped": stopped, "code": -signal.SIGKILL}
        pause_s = max(WATCH_S, (time.monotonic() - began) / WATCH_SHARE)


def _excess(child: int, limits: Limits, deadline: float) -> str | None:
    if time.monotonic() > deadline:
        return "time"
    family = _family(child)
    if sum(seen["memory"] for seen in family.values()) > limits["memory_bytes"]:
        return "memory"
    return "processes" if len(family) > limits["processes"] else None


def _kill(child: int) -> None:
    """End every descendant, and return when they are gone, so that their folder can be removed."""
    deadline = time.monotonic() + GRACE_S
    while (family := _family(child)) and time.monotonic() < deadline:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    _reap()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _family(child: int) -> dict[int, Seen]:
    """The living descendants of the keeper and what is left of the child's process group."""
    machine = _linux_machine() if LINUX else _other_machine()
    keeper, own_group = os.getpid(), os.getpgrp()
    family = {
        pid: seen
        for pid, seen in machine.items()
        if seen["group"] == child or (seen["parent"] == keeper and seen["group"] != own_group)
    }
    while more := {pid: seen for pid, seen in machine.items() if seen["parent"] in family and pid not in family}:
        family |= more
    return family


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
                machine[int(name)] = {
                    "parent": int(fields[1]),
                    "group": int(fields[2]),
                    "memory": int(fields[21]) * page,
                }
    return machine


def _other_machine() -> dict[int, Seen]:
    listing = subprocess.run(["/bin/ps", "-Ao", "pid=,ppid=,pgid=,rss="], capture_output=True, check=True)
    machine: dict[int, Seen] = {}
    for line in listing.stdout.splitlines():
        pid, parent, group, kilobytes = map(int, line.split())
        machine[pid] = {"parent": parent, "group": group, "memory": kilobytes * 1024}
    return machine


if __name__ == "__main__":
    main()
