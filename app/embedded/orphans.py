"""What a killed stack left running. Linux ends it for us; elsewhere the next start finds it here and ends it."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

PATIENCE_S = 10.0
TICK_S = 0.05


def remember(record: Path, pids: Iterable[int]) -> None:
    """Write down which processes are ours."""
    record.write_text(json.dumps(_began(pids)))


def end_orphans(record: Path) -> None:
    """End the processes that an earlier run wrote down and that still run; forcibly when asking does not help."""
    if not record.exists():
        return
    orphans = json.loads(record.read_text())
    deadline = time.monotonic() + PATIENCE_S
    _signal(_alive(orphans), signal.SIGTERM)
    while (alive := _alive(orphans)) and time.monotonic() < deadline:
        time.sleep(TICK_S)
    _signal(alive, signal.SIGKILL)
    record.unlink()


def _alive(orphans: Mapping[str, str]) -> list[int]:
    """Those whose id still belongs to the process that was written down."""
    now = _began(int(pid) for pid in orphans)
    return [int(pid) for pid, began in orphans.items() if now.get(pid) == began]


def _began(pids: Iterable[int]) -> dict[str, str]:
    """When each of the processes began, which tells it from a later one with its id. Empty where there is no `ps`."""
    ids = ",".join(str(pid) for pid in pids)
    if not ids or not (ps := shutil.which("ps")):
        return {}
    # Zombies have a start, too, but nothing that could be ended.
    listed = subprocess.run([ps, "-o", "pid=,stat=,lstart=", "-p", ids], capture_output=True, text=True, check=False)
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return {pid: began for pid, state, began in rows if not state.startswith("Z")}


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
