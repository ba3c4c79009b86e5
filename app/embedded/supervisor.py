"""Starts the parts of a stack, starts again what dies, and ends everything in order.

One thread and no event loop: children must be started by the main thread, and what there is to do is to look and wait.
"""

import os
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import FrameType

from app.embedded.orphans import remember
from app.embedded.process import Child, Part, ending, launch, wait_ready
from app.errors import EmbeddedError

TICK_S = 0.05
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
LOG_LIMIT_BYTES = 20 * 1024 * 1024
LOG_CHECK_S = 60.0


class Stop(BaseException):
    """Somebody asked us to end: Ctrl-C, SIGTERM, or the terminal was closed."""


@dataclass
class Slot:
    """A place in the stack, the process that fills it now, and how often in a row one failed to become ready."""

    part: Part
    child: Child
    is_ready: bool = False
    failures: int = 0
    again_at: float | None = None


class Supervisor:
    """The children of one stack. `say` speaks to the person at the terminal."""

    def __init__(self, data: Path, *, say: Callable[[str], None]) -> None:
        self._logs = data / "logs"
        self._record = data / "children.json"
        self._say = say
        self._groups: list[list[Slot]] = []
        self._times_asked = 0
        self._logs_checked_at = time.monotonic()

    def start(self, *parts: Part) -> None:
        """Start the parts side by side. They need not answer when this returns."""
        group: list[Slot] = []
        self._groups.append(group)
        group.extend(Slot(part, self._launch(part)) for part in parts)
        self._remember()

    def wait_ready(self) -> None:
        """Return once all that was started answers. Raises EmbeddedError, or Stop."""
        for slot in self._slots():
            wait_ready(slot.child, pause=self._pause)
            slot.is_ready = True

    def run(self, part: Part) -> None:
        """Start a part that ends by itself, and wait for that. Raises EmbeddedError when it fails, or Stop."""
        child = self._launch(part)
        try:
            while child.is_alive():
                self._pause()
        finally:
            child.stop()
        if child.process.returncode != 0:
            raise EmbeddedError(f"{part.name} {ending(child)}")

    def watch(self, on_change: Callable[[], None]) -> None:
        """Keep every part running until Stop is raised; call `on_change` when process ids are new."""
        while True:
            for slot in self._slots():
                if self._tend(slot):
                    self._remember()
                    on_change()
            self._trim_logs()
            self._pause()

    def pids(self) -> dict[str, list[int]]:
        """The process ids by the name of the part."""
        found = defaultdict(list)
        for slot in self._slots():
            found[slot.part.name].append(slot.child.process.pid)
        return dict(found)

    def stop(self) -> None:
        """End everything, the latest first; what was started side by side ends side by side.

        A signal that comes meanwhile cuts short what takes long.
        """
        asked = self._times_asked
        while self._groups:
            children = [slot.child for slot in self._groups.pop()]
            for child in children:
                child.ask_to_stop()
            for child in children:
                child.wait_stopped(is_enough=lambda: self._times_asked > asked)
        self._record.unlink(missing_ok=True)

    def ask_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        """What the signals do. The next pause raises Stop, where nothing is half done."""
        self._times_asked += 1

    def _slots(self) -> Iterator[Slot]:
        return chain.from_iterable(self._groups)

    def _pause(self) -> None:
        if self._times_asked:
            self._say("Stopping; Ctrl-C again cuts short what takes long")
            raise Stop
        time.sleep(TICK_S)

    def _launch(self, part: Part) -> Child:
        return launch(part, self._logs / f"{part.name}.log")

    def _remember(self) -> None:
        remember(self._record, [pid for pids in self.pids().values() for pid in pids])

    def _tend(self, slot: Slot) -> bool:
        """Do what the slot needs now; True when it has a new process."""
        if slot.again_at is not None:
            if time.monotonic() < slot.again_at:
                return False
            slot.child, slot.again_at = self._launch(slot.part), None
            return True
        if not slot.child.is_alive():
            self._plan_restart(slot)
        elif not slot.is_ready and slot.child.is_ready():
            slot.is_ready, slot.failures = True, 0
            self._say(f"{slot.part.name} (process {slot.child.process.pid}) answers again")
        elif not slot.is_ready and slot.child.is_overdue():
            slot.child.process.kill()
        return False

    def _plan_restart(self, slot: Slot) -> None:
        """At once for a part that had been ready, ever later for one that does not become so."""
        pause_s = 0.0 if slot.is_ready else min(FIRST_PAUSE_S * 2**slot.failures, LONGEST_PAUSE_S)
        slot.failures += not slot.is_ready
        slot.is_ready, slot.again_at = False, time.monotonic() + pause_s
        self._say(f"{slot.part.name} {ending(slot.child)}")
        self._say(f"{slot.part.name} is started again" + (f" in {pause_s:g} s" if pause_s else ""))

    def _trim_logs(self) -> None:
        """Put a long log aside. Its writers append, so they go on in the emptied file."""
        if time.monotonic() < self._logs_checked_at + LOG_CHECK_S:
            return
        self._logs_checked_at = time.monotonic()
        for log in self._logs.glob("*.log"):
            if log.stat().st_size > LOG_LIMIT_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)


@contextmanager
def supervised(data: Path, *, say: Callable[[str], None]) -> Iterator[Supervisor]:
    """A supervisor that hears the signals and stops its children at the end. Logs of an earlier run are put aside."""
    logs = data / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    for log in logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))
    supervisor = Supervisor(data, say=say)
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Under nohup we outlive the terminal.
        signals.append(signal.SIGHUP)
    before = {number: signal.signal(number, supervisor.ask_to_stop) for number in signals}
    try:
        yield supervisor
    finally:
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
