"""Child processes that end with us.

Each child runs in a session of its own, so that Ctrl-C reaches us alone and we end the children in order. On Linux
the kernel ends them even when we are killed.
"""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import EmbeddedError

PR_SET_PDEATHSIG = 1
TICK_S = 0.01
LAST_WORDS_BYTES = 4_000
LAST_WORDS_LINES = 8
LAST_WORDS_WIDTH = 300


@dataclass(frozen=True)
class User:
    """Whom a child runs as, without any of our groups. Only root may choose."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """One program of the stack: how to start it, how to know that it answers, how to end it.

    `is_ready` gets the process id, never raises and answers within a second.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    is_ready: Callable[[int], bool]
    cwd: Path | None = None
    user: User | None = None
    pass_fds: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_timeout_s: float = 10
    start_timeout_s: float = 60


@dataclass(frozen=True)
class Child:
    """A started part."""

    part: Part
    process: subprocess.Popen[bytes]
    log: Path
    started_at: float = field(default_factory=time.monotonic)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it runs and answers."""
        return self.is_alive() and self.part.is_ready(self.process.pid)

    def ask_to_stop(self) -> None:
        """Ask it to end, in its own way."""
        if self.is_alive():
            self.process.send_signal(self.part.stop_signal)

    def wait_stopped(self, *, is_enough: Callable[[], bool] = lambda: False) -> None:
        """Return when it has ended; by force once it takes longer than it may, or when `is_enough` says so."""
        deadline = time.monotonic() + self.part.stop_timeout_s
        while self.is_alive():
            if time.monotonic() > deadline or is_enough():
                self.process.kill()
                self.process.wait()
            time.sleep(TICK_S)

    def stop(self) -> None:
        """Ask it to end and return when it has."""
        self.ask_to_stop()
        self.wait_stopped()

    def is_overdue(self) -> bool:
        """Whether it has had all the time that it may take to become ready."""
        return time.monotonic() > self.started_at + self.part.start_timeout_s

    def last_words(self) -> str:
        """Where its log is, and the end of it."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - LAST_WORDS_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-LAST_WORDS_LINES:]
        return "\n".join([f"  its log, {self.log}, ends:", *(f"  | {line[:LAST_WORDS_WIDTH]}" for line in lines)])


def launch(part: Part, log: Path) -> Child:
    """Start the part with its output appended to `log`. It need not be ready when this returns.

    Must be called from the main thread: on Linux a child ends with the thread that started it.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            part.command,
            env=dict(part.env),
            cwd=part.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=part.pass_fds,
            preexec_fn=_end_with_parent(part.orphan_signal),  # noqa: PLW1509 (we start no threads)
            user=part.user.uid if part.user else None,
            group=part.user.gid if part.user else None,
            extra_groups=[] if part.user else None,
        )
    return Child(part, process, log)


def wait_ready(child: Child, *, pause: Callable[[], None] = lambda: time.sleep(TICK_S)) -> None:
    """Return once the child answers; `pause` between looks. Raises EmbeddedError if it ends or takes too long."""
    while not child.is_ready():
        if not child.is_alive():
            raise EmbeddedError(f"{child.part.name} {ending(child)}")
        if child.is_overdue():
            raise EmbeddedError(f"{child.part.name} does not answer\n{child.last_words()}")
        pause()


def ending(child: Child) -> str:
    """How a child ended, as a person would tell it: with its last words, unless a signal took it."""
    status = child.process.returncode
    if status < 0:
        return f"(process {child.process.pid}) was killed by {signal.Signals(-status).name}"
    return f"(process {child.process.pid}) ended with status {status}\n{child.last_words()}"


def _end_with_parent(orphan_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    # Loaded before the fork: the child of a fork should do as little as it can.
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, int(orphan_signal))
