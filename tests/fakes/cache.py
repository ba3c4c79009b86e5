"""A Valkey of the test's own, to be killed or frozen."""

import signal
from pathlib import Path

from app.embedded import valkey
from app.embedded.process import Child, launch, wait_ready


class Cache:
    """Call it from the main thread."""

    def __init__(self, folder: Path) -> None:
        self._server = valkey.prepare(folder, "a-password")
        self._log = folder / "log"
        self.url = self._server.url
        self._child: Child | None = None

    def start(self) -> None:
        self._child = launch(self._server.part(), self._log)
        wait_ready(self._child)

    def kill(self) -> None:
        self._send(signal.SIGKILL).process.wait()

    def freeze(self) -> None:
        """Let it take connections and commands, and answer none."""
        self._send(signal.SIGSTOP)

    def close(self) -> None:
        if self._child and self._child.is_alive():
            self.kill()

    def _send(self, number: signal.Signals) -> Child:
        assert self._child
        self._child.process.send_signal(number)
        return self._child
