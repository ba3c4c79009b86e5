"""The supervisor: starts in order, starts again what dies, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.embedded.orphans import end_orphans, remember
from app.embedded.process import Part
from app.embedded.supervisor import LOG_LIMIT_BYTES, Stop, Supervisor, supervised
from app.errors import EmbeddedError

SLEEPER = (sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()")

CHATTY = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print("more", flush=True))
print("up", flush=True)
while True:
    signal.pause()
"""


def part(name: str, *command: str, is_ready: Callable[[int], bool] = lambda _: True) -> Part:
    return Part(name=name, command=command or SLEEPER, env=os.environ, is_ready=is_ready)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def watch(supervisor: Supervisor, on_change: Callable[[], None], *, then: Callable[[], None]) -> None:
    """Watch while `then` runs beside, and until it asks us to stop with SIGTERM."""

    def end_after() -> None:
        then()
        os.kill(os.getpid(), signal.SIGTERM)

    beside = threading.Thread(target=end_after)
    beside.start()
    with pytest.raises(Stop):
        supervisor.watch(on_change)
    beside.join()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_part_is_started_again_and_said_so(tmp_path: Path) -> None:
    said: list[str] = []
    seen: list[int] = []
    with supervised(tmp_path, say=said.append) as supervisor:
        supervisor.start(part("one"), part("two"))
        supervisor.wait_ready()
        [first], [untouched] = supervisor.pids()["one"], supervisor.pids()["two"]

        def kill_it() -> None:
            os.kill(first, signal.SIGKILL)
            eventually(lambda: any("answers again" in line for line in said))

        watch(supervisor, lambda: seen.extend(supervisor.pids()["one"]), then=kill_it)

        assert f"one (process {first}) was killed by SIGKILL" in said
        assert seen == supervisor.pids()["one"] != [first]
        assert supervisor.pids()["two"] == [untouched]
    assert not is_running(seen[0])
    assert not is_running(untouched)


def test_a_part_that_cannot_start_does_not_spin_and_its_last_words_are_shown(tmp_path: Path) -> None:
    said: list[str] = []
    broken = tmp_path / "broken"
    command = f"import os, sys, signal; os.path.exists({str(broken)!r}) and sys.exit('no luck'); signal.pause()"
    with supervised(tmp_path, say=said.append) as supervisor:
        supervisor.start(part("fickle", sys.executable, "-c", command, is_ready=lambda _: not broken.exists()))
        supervisor.wait_ready()
        [first] = supervisor.pids()["fickle"]

        def break_it() -> None:
            broken.touch()
            os.kill(first, signal.SIGKILL)
            eventually(lambda: any("in 1 s" in line for line in said))

        watch(supervisor, lambda: None, then=break_it)

    assert [line for line in said if "started again" in line] == [
        "fickle is started again",
        "fickle is started again in 0.5 s",
        "fickle is started again in 1 s",
    ]
    assert any("ended with status 1" in line and "| no luck" in line for line in said)


def test_a_failing_start_names_the_part_and_stops_the_others(tmp_path: Path) -> None:
    pids: list[int] = []
    with (
        pytest.raises(EmbeddedError, match=r"(?s)bad .*status 3.*\| oh no"),
        supervised(tmp_path, say=print) as supervisor,
    ):
        supervisor.start(part("good"))
        pids += supervisor.pids()["good"]
        supervisor.start(part("bad", sys.executable, "-c", "print('oh no'); exit(3)", is_ready=lambda _: False))
        supervisor.wait_ready()

    assert not is_running(pids[0])


def test_a_step_that_ends_is_waited_for(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with supervised(tmp_path, say=print) as supervisor:
        supervisor.run(part("step", sys.executable, "-c", f"open({str(mark)!r}, 'w')"))
        assert mark.exists()
        with pytest.raises(EmbeddedError, match=r"step .*status 1"):
            supervisor.run(part("step", sys.executable, "-c", "exit(1)"))


def test_what_a_killed_run_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    record = tmp_path / "children.json"
    orphan, stranger = subprocess.Popen(SLEEPER), subprocess.Popen(SLEEPER)
    remember(record, [orphan.pid])
    record.write_text(record.read_text().replace("}", f', "{stranger.pid}": "Thu Jan  1 00:00:00 1970"}}'))

    end_orphans(record)

    assert orphan.wait(10) == -signal.SIGTERM
    assert stranger.poll() is None
    assert not record.exists()
    stranger.kill()
    stranger.wait()


def test_logs_of_the_last_run_are_put_aside(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with supervised(tmp_path, say=print) as supervisor:
            supervisor.run(part("step", sys.executable, "-c", f"print('{word}')"))

    assert (tmp_path / "logs/step.log").read_text() == "second\n"
    assert (tmp_path / "logs/step.log.1").read_text() == "first\n"


def test_a_log_that_grows_long_is_put_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "logs/chatty.log"
    with supervised(tmp_path, say=print) as supervisor:
        supervisor.start(part("chatty", sys.executable, "-c", CHATTY))
        eventually(lambda: log.read_text() == "up\n")
        os.truncate(log, LOG_LIMIT_BYTES + 1)
        supervisor._logs_checked_at = float("-inf")
        watch(supervisor, lambda: None, then=lambda: eventually(log.with_suffix(".log.1").exists))
        os.kill(supervisor.pids()["chatty"][0], signal.SIGUSR1)
        eventually(lambda: log.read_text() == "more\n")

    assert log.with_suffix(".log.1").stat().st_size == LOG_LIMIT_BYTES + 1
