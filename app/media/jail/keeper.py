"""The keeper: a small process that starts one command, watches it, and lets nothing of it live on.

It stands between us and the tool because limits can be set safely only in a process without threads, and because it
outlives us: its standard input is a lifeline that ends when we let go or die, even by SIGKILL, and then it kills the
command and all of its descendants. Should the keeper itself be killed, the kernel kills the command (Linux).
Its verdict goes to a pipe of its own as JSON.
"""

import json
import os
import resource
import select
import signal
import sys
import time
from typing import TypedDict

from app.media.jail.confine import adopt_orphans, confine
from app.media.jail.family import family, kill

LIFELINE = 0
WATCH_S = 0.05
WATCH_SHARE = 0.05  # of one core, at most, however many processes the machine has
OPEN_FILES = 256
NICENESS = 10  # the api shares the cores with us


class Order(TypedDict):
    """What to hold the command to, and the descriptor of the pipe for the verdict."""

    time_s: float
    memory_bytes: int
    file_bytes: int
    processes: int
    port: int | None
    reads: list[str]
    lists: list[str]
    work_dir: str
    verdict: int


class Verdict(TypedDict):
    """How it ended: which limit stopped it, if one did, and its exit status (or minus the signal)."""

    stopped: str | None
    code: int


def main() -> None:
    """Run the command in argv under the order in argv, and tell the verdict."""
    order: Order = json.loads(sys.argv[1])
    os.set_inheritable(order["verdict"], False)
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ringer)
    adopt_orphans()
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(sys.argv[2:], order, keeper)
    try:
        verdict = _watch(child, order, bell)
    finally:
        kill(child)
    os.write(order["verdict"], json.dumps(verdict).encode())


def _become(command: list[str], order: Order, keeper: int) -> None:
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.nice(NICENESS)
        _set_resource_limits(order)
        confine(reads=order["reads"], lists=order["lists"], writes=[order["work_dir"]], port=order["port"])
        if os.getppid() == keeper:  # else it died before the kernel was told to kill us with it
            os.execv(command[0], command)  # noqa: S606 (no shell is what we want)
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _set_resource_limits(order: Order) -> None:
    cores = os.cpu_count() or 1
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(order["time_s"] * cores) + 1,
        resource.RLIMIT_FSIZE: order["file_bytes"],
        resource.RLIMIT_NOFILE: OPEN_FILES,
    }
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def _watch(child: int, order: Order, bell: int) -> Verdict:
    """Wait for the end of the child, or for the moment to make it: a limit is passed, the lifeline ends."""
    deadline = time.monotonic() + order["time_s"]
    pause_s = 0.0
    while True:
        ready, _, _ = select.select([LIFELINE, bell], [], [], pause_s)
        if bell in ready:
            os.read(bell, 4096)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return {"stopped": None, "code": os.waitstatus_to_exitcode(status)}
        began = time.monotonic()
        stopped = "abandoned" if LIFELINE in ready else _excess(child, order, deadline)
        if stopped:
            return {"stopped": stopped, "code": -signal.SIGKILL}
        pause_s = max(WATCH_S, (time.monotonic() - began) / WATCH_SHARE)


def _excess(child: int, order: Order, deadline: float) -> str | None:
    if time.monotonic() > deadline:
        return "time"
    living = family(child)
    if sum(seen["memory"] for seen in living.values()) > order["memory_bytes"]:
        return "memory"
    return "processes" if len(living) > order["processes"] else None
