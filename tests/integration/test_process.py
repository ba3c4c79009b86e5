"""The jail for local tools, tried with real processes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from app.media.jail.confine import landlock_version
from app.media.process import MIB, Limits, ProcessFailed, Reason, run, sweep, work_folder
from tests.mediafiles import FFMPEG, sound

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")
PLENTY = Limits(time_s=10)
TIGHT = Limits(time_s=10, memory_bytes=100 * MIB)

# Starts a grandchild in a session of its own, tells its pid, and sleeps beside it.
FAMILY = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


async def python(code: str, folder: Path, limits: Limits = PLENTY) -> str:
    return (await run([sys.executable, "-I", "-c", code], work_dir=folder, limits=limits)).decode()


def alive(pid: int) -> bool:
    state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")


def child_of(pid: int) -> int:
    return int(subprocess.run(["/usr/bin/pgrep", "-P", str(pid)], capture_output=True, check=True).stdout.split()[0])


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + 5
    while alive(pid):
        assert time.monotonic() < deadline


async def test_the_output_comes_back(tmp_path: Path) -> None:
    assert await python("print('hello')", tmp_path) == "hello\n"


def test_it_works_on_the_loop_of_production(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(python("print('hello')", tmp_path)) == "hello\n"
        with pytest.raises(ProcessFailed, match="output"):
            runner.run(python("while True: print('x' * 100_000)", tmp_path))


async def test_lines_come_as_they_are_written(tmp_path: Path) -> None:
    lines: list[str] = []

    output = await run(["/bin/echo", "one\ntwo"], work_dir=tmp_path, limits=PLENTY, on_line=lines.append)

    assert (lines, output) == (["one", "two"], b"")


async def test_the_child_sees_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHAYA_KIE_API_KEYS", "secret")

    seen = await python("import os; print(os.getcwd(), sorted(os.environ.items()), len(os.read(0, 9)))", tmp_path)

    assert seen.startswith(f"{tmp_path} [('HOME', '{tmp_path}'), ('L")
    assert seen.endswith(" 0\n")
    assert "PHAYA" not in seen


async def test_the_child_has_none_of_our_files_open(tmp_path: Path) -> None:
    with (tmp_path / "open").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        code = "import os\nfor fd in range(3, 256):\n  try: os.fstat(fd)\n  except OSError: pass\n  else: print(fd)"

        assert await python(code, tmp_path) == ""


@pytest.mark.parametrize(
    ("code", "limits", "reason", "status"),
    [
        ("raise SystemExit(3)", PLENTY, Reason.EXIT, 3),
        ("import os; os.abort()", PLENTY, Reason.CRASH, -signal.SIGABRT),
        ("import time; time.sleep(60)", Limits(time_s=0.2), Reason.TIME, -signal.SIGKILL),
        ("while True: pass", Limits(time_s=0.2), Reason.TIME, -signal.SIGKILL),
        ("a = bytearray(300_000_000); import time; time.sleep(60)", TIGHT, Reason.MEMORY, -signal.SIGKILL),
        (
            "import os, time; os.fork(); a = bytearray(60_000_000); time.sleep(60)",
            TIGHT,
            Reason.MEMORY,
            -signal.SIGKILL,
        ),
        ("import signal, os; os.kill(os.getpid(), signal.SIGXCPU)", PLENTY, Reason.TIME, -signal.SIGXCPU),
        ("print('x' * 2_000_000)", PLENTY, Reason.OUTPUT, 0),
        ("while True: print('x' * 100_000)", PLENTY, Reason.OUTPUT, 0),
        (
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('big', 'wb').write(bytes(2_000_000))",
            Limits(time_s=10, file_bytes=MIB),
            Reason.FILE_SIZE,
            -signal.SIGXFSZ,
        ),
        (
            "import os, time\nfor _ in range(20):\n  if os.fork() == 0: break\ntime.sleep(60)",
            Limits(time_s=10, processes=5),
            Reason.PROCESSES,
            -signal.SIGKILL,
        ),
    ],
)
async def test_a_tool_that_goes_too_far_is_stopped(
    tmp_path: Path, code: str, limits: Limits, reason: Reason, status: int
) -> None:
    with pytest.raises(ProcessFailed) as failed:
        await python(code, tmp_path, limits)

    assert (failed.value.reason, failed.value.code) == (reason, status)


async def test_the_end_of_what_it_said_is_kept_for_the_operator(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed) as failed:
        await python("import sys; sys.exit('begin' + 'x' * 100_000 + 'end')", tmp_path)

    assert failed.value.stderr.endswith("xend\n")
    assert len(failed.value.stderr) == 8 * 1024


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="cannot start /nowhere") as failed:
        await run(["/nowhere"], work_dir=tmp_path, limits=PLENTY)

    assert failed.value.code == 127


@pytest.fixture
def family() -> list[str]:
    return [sys.executable, "-I", "-c", FAMILY]


async def test_no_descendant_outlives_a_time_out(tmp_path: Path, family: list[str]) -> None:
    pids: list[str] = []

    with pytest.raises(ProcessFailed, match="time"):
        await run(family, work_dir=tmp_path, limits=Limits(time_s=0.3), on_line=pids.append)

    assert not alive(int(pids[0]))


async def test_no_descendant_outlives_a_cancel(tmp_path: Path, family: list[str]) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        run(family, work_dir=tmp_path, limits=PLENTY, on_line=lambda line: started.set_result(int(line)))
    )
    pid = await started
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running

    assert not alive(pid)


async def test_no_descendant_outlives_the_tool(tmp_path: Path) -> None:
    pid = await python("import os, time\nif os.fork() == 0: time.sleep(60)\nprint(os.getpid())", tmp_path)

    assert not alive(int(pid))


async def test_a_fault_of_the_listener_ends_the_tool(tmp_path: Path, family: list[str]) -> None:
    pids: list[int] = []

    def listen(line: str) -> None:
        pids.append(int(line))
        raise RuntimeError("listener")

    with pytest.raises(RuntimeError, match="listener"):
        await run(family, work_dir=tmp_path, limits=PLENTY, on_line=listen)

    assert not alive(pids[0])


BROKER = """
import asyncio, sys
from pathlib import Path
from app.media.process import Limits, run
command = [sys.executable, "-I", "-c", sys.argv[1]]
tell = lambda line: print(line, flush=True)
asyncio.run(run(command, work_dir=Path(sys.argv[2]), limits=Limits(time_s=60), on_line=tell))
"""


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that runs the family in the jail, and the pid of the youngest."""
    command = [sys.executable, "-c", BROKER, FAMILY, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout
        yield process, int(process.stdout.readline())
        process.kill()


def test_no_descendant_outlives_us(tmp_path: Path) -> None:
    with broker(tmp_path) as (process, pid):
        process.kill()
        wait_until_dead(pid)


@LINUX
def test_the_tool_dies_with_its_keeper(tmp_path: Path) -> None:
    with broker(tmp_path) as (process, pid):
        keeper = child_of(process.pid)
        tool = child_of(keeper)
        os.kill(keeper, signal.SIGKILL)
        wait_until_dead(tool)
        os.kill(pid, signal.SIGKILL)


LANDLOCK = pytest.mark.skipif(landlock_version() < 4, reason="this kernel has no Landlock, or an early one")


@LANDLOCK
async def test_the_network_is_out_of_reach(tmp_path: Path) -> None:
    async with (
        await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as listener,
        await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as other,
    ):
        port, other_port = (one.sockets[0].getsockname()[1] for one in (listener, other))
        connect = "import socket; socket.create_connection(('127.0.0.1', {})); print('connected')"
        proxied = Limits(time_s=9, port=port)

        with pytest.raises(ProcessFailed, match=r"Permission|unreachable"):
            await python(connect.format(port), tmp_path)
        with pytest.raises(ProcessFailed, match="Permission"):
            await python(connect.format(other_port), tmp_path, proxied)
        assert await python(connect.format(port), tmp_path, proxied) == "connected\n"


@LANDLOCK
@pytest.mark.parametrize(
    "code",
    [
        "print(open('{other}').read())",
        "print(open('/proc/{pid}/environ').read())",
        "open('{other}', 'w')",
        "open('{folder}/new', 'w')",
        "import os; os.remove('{other}')",
        "import os; os.rename('{other}', 'mine')",
        "import os; os.link('{other}', 'mine')",
        "import os; os.truncate('{other}', 0)",
        "import os; os.symlink('{other}', 'mine'); print(open('mine').read())",
        "import os; os.kill({pid}, 0)",
    ],
)
async def test_what_is_not_its_own_is_out_of_reach(tmp_path: Path, code: str) -> None:
    folder, other = tmp_path / "own", tmp_path / "other"
    folder.mkdir()
    other.write_text("secret")

    with pytest.raises(ProcessFailed, match=r"Permission|not permitted|cross-device"):
        await python(code.format(other=other, folder=tmp_path, pid=os.getpid()), folder)

    assert other.read_text() == "secret"
    assert not (tmp_path / "new").exists()


@LANDLOCK
async def test_a_script_for_ffmpeg_cannot_name_the_files_of_others(tmp_path: Path) -> None:
    folder, other = tmp_path / "own", tmp_path / "other.wav"
    folder.mkdir()
    sound(other)
    (folder / "a.mp4").write_text(f"ffconcat version 1.0\nfile {other}\n")
    command = [FFMPEG, "-v", "error", "-safe", "0", "-f", "concat", "-i", "a.mp4", "-f", "s16le", "-"]

    with pytest.raises(ProcessFailed, match="Permission denied"):
        await run(command, work_dir=folder, limits=PLENTY)
    assert len(await run(command, work_dir=folder, limits=PLENTY, reads=[other])) > 100_000


def test_a_work_folder_is_private_and_removed(tmp_path: Path) -> None:
    with work_folder(tmp_path / "root") as folder:
        (folder / "deep" / "deeper").mkdir(parents=True)
        assert folder.stat().st_mode & 0o777 == 0o700

    assert not folder.exists()
    with pytest.raises(RuntimeError), work_folder(tmp_path / "root") as folder:
        raise RuntimeError
    assert not folder.exists()


DYING = """
import os, sys
from pathlib import Path
from app.media.process import work_folder
with work_folder(Path(sys.argv[1])) as folder:
    (folder / "file").touch()
    os._exit(0)
"""


def test_only_the_folders_of_the_dead_are_swept(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], check=True, env={"PYTHONPATH": str(ROOT)})

    with work_folder(tmp_path) as living:
        assert sum(1 for _ in tmp_path.iterdir()) == 2
        assert sweep(tmp_path) == 1
        assert list(tmp_path.iterdir()) == [living]
    assert sweep(tmp_path / "nowhere") == 0
