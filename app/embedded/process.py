"""Child processes that end with us.

Each child runs in a session of its own, so that Ctrl-C reaches us alone and we end the children in order. On Linux
the kernel ends them even when we are killed.
"""

import ctypes
import pwd
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
LAST_WORDS = 2_000


@dataclass(frozen=True, kw_only=True)
class Part:
    """One program of the stack: how to start it, how to know that it answers, how to end it.

    `is_ready` gets the process id, never raises and answers within a second. Only root may name a `user` to run as.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    is_ready: Callable[[int], bool]
    cwd: Path | None = None
    user: pwd.struct_passwd | None = None
    pass_fds: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_timeout_s: float = 10
    start_timeout_s: float = 30


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

    def stop(self) -> None:
        """End it in its own way, and by force when that takes too long; return when it has ended."""
        if self.is_alive():
            self.process.send_signal(self.part.stop_signal)
            try:
                self.process.wait(self.part.stop_timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def last_words(self) -> str:
        """The end of its log, for a person to read."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - LAST_WORDS))
            return log.read().decode(errors="replace").strip()


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
            user=part.user.pw_uid if part.user else None,
            group=part.user.pw_gid if part.user else None,
            extra_groups=[] if part.user else None,
        )
    return Child(part, process, log)


def wait_ready(child: Child) -> None:
    """Return once the child answers. Raises EmbeddedError, with its last words, if it ends or takes too long."""
    deadline = child.started_at + child.part.start_timeout_s
    while not child.is_ready():
        if not child.is_alive():
            raise EmbeddedError(
                f"{child.part.name} ended at its start (status {child.process.returncode}), see {child.log}:\n"
                f"{child.last_words()}"
            )
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{child.part.name} does not answer, see {child.log}:\n{child.last_words()}")
        time.sleep(TICK_S)


def _end_with_parent(orphan_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    # Loaded before the fork: the child of a fork should do as little as it can.
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, int(orphan_signal))
