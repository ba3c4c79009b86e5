"""Run a local tool in a jail: limited, watched, without our environment, in a private folder.

The limits hold for the tool and all of its descendants together, and none of them outlives the call: not on cancel,
not on a time-out, not when this process is killed (see jail/keeper.py). Where the kernel allows it, they reach no
network and open no file outside of the working folder (see jail/confine.py).
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.media.jail.keeper import Order, Verdict

MIB = 1024 * 1024
CHUNK = 65_536
OUTPUT_BYTES = MIB
LINE_BYTES = 16 * 1024
ERROR_TAIL_BYTES = 8 * 1024
GRACE_S = 5.0
ROOT = str(Path(__file__).resolve().parents[2])
# Where a child that is Python finds itself, its libraries (FFmpeg's wheel and fonts among them) and our modules.
PYTHON = (sys.prefix, sys.base_prefix, f"{ROOT}/app")
SAFE_PATH = "/usr/local/bin:/usr/bin:/bin"

OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tool may use: seconds, bytes of resident memory in all, bytes of each file it writes.

    CPU time is bounded by the time limit on every core. Where the kernel allows it the network is taken away, but for
    TCP to `port`, where a proxy of ours listens.
    """

    time_s: float
    memory_bytes: int = 512 * MIB
    file_bytes: int = 2048 * MIB
    processes: int = 8
    port: int | None = None


class Reason(StrEnum):
    """Why a tool did not end well."""

    EXIT = "exit"  # by itself, with a status that is not 0
    CRASH = "crash"  # by a signal that is not ours
    TIME = "time"
    MEMORY = "memory"
    FILE_SIZE = "file size"
    PROCESSES = "processes"
    OUTPUT = "output"  # more on its standard output than we read
    ABANDONED = "abandoned"  # we let go of it


class ProcessFailed(Exception):
    """The tool failed or was stopped. `stderr` is the end of what it said: for the operator, never for a client."""

    def __init__(self, reason: Reason, code: int, stderr: str) -> None:
        super().__init__(f"{reason} {code}: {stderr}")
        self.reason = reason
        self.code = code
        self.stderr = stderr


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours, with our packages but not our environment or the working folder."""
    start = f"import runpy, sys; sys.path.insert(0, {ROOT!r}); runpy.run_module({module!r}, run_name='__main__')"
    return [sys.executable, "-I", "-B", "-c", start, *arguments]


async def run(
    command: Sequence[str],
    *,
    work_dir: Path,
    limits: Limits,
    reads: Sequence[Path] = (),
    on_line: OnLine | None = None,
) -> bytes:
    """Run a command (its program by absolute path) and return what it wrote to standard output.

    It finds its files in `work_dir`, which it may change, and `reads`. With `on_line`, each line of standard output
    goes there at once and the result is empty. Raises ProcessFailed. When the call returns, raises or is cancelled, no
    process of the tool is left.
    """
    verdict, verdict_end = os.pipe()
    try:
        try:
            process = await _start(command, _order(limits, work_dir, [Path(command[0]), *reads], verdict_end))
        finally:
            os.close(verdict_end)
        output, stderr = await _attend(process, on_line, time_s=limits.time_s)
        _judge(os.read(verdict, CHUNK), stderr)
        return output
    finally:
        os.close(verdict)


def _order(limits: Limits, work_dir: Path, reads: Sequence[Path], verdict: int) -> Order:
    return {
        "time_s": limits.time_s,
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.file_bytes,
        "processes": limits.processes,
        "port": limits.port,
        "reads": [*PYTHON, *(str(path.absolute()) for path in reads)],
        "lists": [ROOT],
        "work_dir": str(work_dir.absolute()),
        "verdict": verdict,
    }


async def _start(command: Sequence[str], order: Order) -> asyncio.subprocess.Process:
    keeper = f"import sys; sys.path.insert(0, {ROOT!r}); from app.media.jail.keeper import main; main()"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", keeper, json.dumps(order), *command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=order["work_dir"],
        env={"PATH": SAFE_PATH, "HOME": order["work_dir"], "TMPDIR": order["work_dir"], "LANG": "C.UTF-8"},
        pass_fds=(order["verdict"],),
        start_new_session=True,
    )


async def _attend(process: asyncio.subprocess.Process, on_line: OnLine | None, *, time_s: float) -> tuple[bytes, str]:
    """Read all that the tool says until it has ended, and see that it ends whatever goes wrong."""
    lifeline, stdout, stderr = process.stdin, process.stdout, process.stderr
    if lifeline is None or stdout is None or stderr is None:
        raise RuntimeError("a child was started without its pipes")
    tail = asyncio.create_task(_read_tail(stderr))
    try:
        # The keeper watches the time. This bound is for one that was killed or is stuck.
        async with asyncio.timeout(time_s + GRACE_S):
            output = await (_read_all(stdout) if on_line is None else _read_lines(stdout, on_line))
            await process.wait()
            return output, (await tail).decode(errors="replace")
    except TimeoutError:
        raise ProcessFailed(Reason.TIME, -signal.SIGKILL, "") from None
    finally:
        lifeline.close()
        await _until_ended(process, stdout)
        tail.cancel()


async def _until_ended(process: asyncio.subprocess.Process, stdout: asyncio.StreamReader) -> None:
    try:
        async with asyncio.timeout(GRACE_S):
            while await stdout.read(CHUNK):
                pass
            await process.wait()
    except TimeoutError:  # its own death takes the tool with it
        with suppress(ProcessLookupError):
            process.kill()


async def _read_all(stream: asyncio.StreamReader) -> bytes:
    output = bytearray()
    while chunk := await stream.read(CHUNK):
        output += chunk
        if len(output) > OUTPUT_BYTES:
            raise ProcessFailed(Reason.OUTPUT, 0, "")
    return bytes(output)


async def _read_lines(stream: asyncio.StreamReader, on_line: OnLine) -> bytes:
    rest = b""
    while chunk := await stream.read(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            raise ProcessFailed(Reason.OUTPUT, 0, "")
        for line in lines:
            on_line(line.decode(errors="replace"))
    return b""


async def _read_tail(stream: asyncio.StreamReader) -> bytes:
    tail = b""
    while chunk := await stream.read(CHUNK):
        tail = (tail + chunk)[-ERROR_TAIL_BYTES:]
    return tail


def _judge(said: bytes, stderr: str) -> None:
    verdict: Verdict = json.loads(said) if said else {"stopped": "abandoned", "code": -signal.SIGKILL}
    code = verdict["code"]
    if verdict["stopped"] is not None:
        raise ProcessFailed(Reason(verdict["stopped"]), code, stderr)
    if code:
        signals = {-signal.SIGXCPU: Reason.TIME, -signal.SIGXFSZ: Reason.FILE_SIZE}
        raise ProcessFailed(signals.get(code, Reason.CRASH if code < 0 else Reason.EXIT), code, stderr)


@contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """A private folder under `root` that is removed at the end, with all that is in it.

    It holds a lock as long as this process lives, so that `sweep` can tell it from one whose owner was killed.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(root, fcntl.LOCK_SH):
        folder = Path(tempfile.mkdtemp(dir=root))
        lock = _lock(folder, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def sweep(root: Path) -> int:
    """Remove the work folders under `root` whose processes are dead, and count them. For the start of a worker."""
    if not root.exists():
        return 0
    swept = 0
    with _locked(root, fcntl.LOCK_EX):
        for folder in filter(Path.is_dir, root.iterdir()):
            with suppress(BlockingIOError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder)
                swept += 1
    return swept


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    lock = _lock(folder, how)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path, how: int) -> int:
    """Lock a folder and return the descriptor that holds the lock. Raises BlockingIOError."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, how)
    except BaseException:
        os.close(lock)
        raise
    return lock
