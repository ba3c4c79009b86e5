"""`phaya up` as a person meets it: a process that is started, watched, killed and started again."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PHAYA = [sys.executable, "-P", "-m", "app.cli"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PHAYA_")} | {
    "PYTHONPATH": str(ROOT)
}
PARTS = ("api", "worker", "media-worker", "postgres", "redis", "sandbox")
WITHIN_S = 120

pytestmark = pytest.mark.timeout(300)  # Whole stacks start here, on whatever else the machine does.


@dataclass
class Up:
    """A running `phaya up`."""

    process: subprocess.Popen[str]
    data: Path
    ready_file: Path
    output: Path

    def ready(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.ready_file.read_text())
        return document

    def pids(self) -> set[int]:
        return {pid for pids in self.ready()["pids"].values() for pid in pids}

    def get(self, path: str, *, key: str = "demo_key") -> httpx.Response:
        ready = self.ready()
        return httpx.get(ready["api_url"] + path, headers={"Authorization": f"Bearer {ready[key]}"}, timeout=30)

    def said(self) -> str:
        return self.output.read_text()

    def stop(self) -> str:
        """Press Ctrl-C and wait; answers all that was said."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> str:
        """Wait for its end; answers all that was said."""
        self.process.wait(timeout=WITHIN_S)
        return self.said()


def start(data: Path, *words: str, user: str | None = None, **env: str) -> Up:
    ready_file, output = data.with_suffix(".json"), data.with_suffix(f".{time.monotonic_ns()}.out")
    with output.open("w") as file:
        process = subprocess.Popen(
            [*PHAYA, "up", "--port", "0", "--data", data, "--ready-file", ready_file, *words],
            env=ENVIRONMENT | env,
            cwd=data.parent,
            user=user,
            extra_groups=[] if user else None,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    return Up(process, data, ready_file, output)


@contextmanager
def running(data: Path, *words: str, user: str | None = None, **env: str) -> Iterator[Up]:
    """A stack that answers, and that is stopped at the end if it is not by then."""
    up = start(data, *words, user=user, **env)
    if up.ready_file.exists():  # A killed stack leaves it; the next one removes it before it starts anything.
        eventually(lambda: not up.ready_file.exists() or up.process.poll() is not None)
    try:
        eventually(lambda: up.ready_file.exists() or up.process.poll() is not None)
        assert up.ready_file.exists(), up.said()
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One stack for the tests that leave it running."""
    with running(tmp_path_factory.mktemp("up") / "data", PHAYA_RATE_LIMIT_PER_MINUTE="1000") as up:
        yield up


def balance_of(up: Up) -> Decimal:
    return Decimal(str(up.get("/api/v1/user/credits").json()["credits_balance"]))


def test_once_everything_answers_the_ready_file_tells_where(shared: Up) -> None:
    ready = shared.ready()

    assert {part: len(pids) for part, pids in ready["pids"].items()} == dict.fromkeys(PARTS, 1)
    assert all(is_running(pid) for pid in shared.pids())
    assert shared.get("/ready").json()["status"] == "ok"
    assert httpx.get(ready["sandbox_url"] + "/control/books").status_code == 200
    subprocess.run([*PHAYA, "migrate"], env=ENVIRONMENT | ready["env"], check=True)


def test_what_is_sold_below_cost_is_named(shared: Up) -> None:
    names = "gpt-image-2-text-to-image (1K 2K 4K), kling-motion-control (720p 1080p)"

    eventually(lambda: f"Below cost, by the default rates and the providers' lists: {names}.\n" in shared.said())
    for part in ("api", "worker", "media-worker"):
        lines = (shared.data / f"logs/{part}.log").read_text().splitlines()
        named = [line["rates"] for line in map(json.loads, lines) if line["event"] == "services.below_cost"]
        assert named  # Once for each start: other tests end parts of this stack.
        assert all(rates == {"gpt-image-2-text-to-image": ["1K", "2K", "4K"],
                             "kling-motion-control": ["720p", "1080p"]} for rates in named)


def test_keys_and_passwords_are_for_their_owner_alone(shared: Up) -> None:
    for private in (shared.ready_file, *(shared.data / name for name in ("keys.json", "passwords.json", "stack.json"))):
        assert private.stat().st_mode & 0o077 == 0


def test_the_lines_to_paste_make_a_picture_and_a_video(shared: Up) -> None:
    lines = shared.said().partition("Or paste this")[2].splitlines()
    pasted = "\n".join(line for line in lines if line.startswith("    "))

    shown = subprocess.run(
        ["/bin/sh", "-c", pasted], stdout=subprocess.PIPE, text=True, timeout=WITHIN_S, check=True
    ).stdout

    picture, video = (httpx.get(url) for url in shown.split())
    assert picture.headers["content-type"] in ("image/png", "image/jpeg")
    assert video.headers["content-type"] == "video/mp4"


def test_the_demo_ends_with_files_costs_and_balances_that_add_up(shared: Up) -> None:
    before = balance_of(shared)
    command = [*PHAYA, "demo", "--data", str(shared.data)]
    shown = subprocess.run(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, timeout=WITHIN_S, check=True
    ).stdout
    after = balance_of(shared)

    bill = dict(re.findall(r"^  (Upload|Video|Picture|Chat) +([\d.]+)", shown, re.MULTILINE))
    balance = re.search(r"Balance +([\d,.]+) before, ([\d,.]+) after: ([\d.]+) spent", shown)
    assert balance is not None
    first, last, spent = (Decimal(amount.replace(",", "")) for amount in balance.groups())
    assert (bill["Upload"], bill["Video"], bill["Picture"]) == ("0.00", "0.50", "1.00")
    assert (first, last) == (before, after)
    assert sum(map(Decimal, bill.values())) == first - last == spent
    for kind in ("image/jpeg", "video/mp4"):
        assert kind in shown


def test_a_killed_part_comes_back_under_a_new_id_that_the_ready_file_names(shared: Up) -> None:
    before = shared.ready()["pids"]
    killed = ("api", "worker", "media-worker", "redis", "postgres")
    for part in killed:
        os.kill(before[part][0], signal.SIGKILL)
    eventually(lambda: all(shared.ready()["pids"][part] != before[part] for part in killed))
    eventually(lambda: shared.get("/ready").json()["status"] == "ok")

    assert shared.ready()["pids"]["sandbox"] == before["sandbox"]
    assert shared.get("/api/v1/user/credits").status_code == 200


def test_a_data_folder_in_use_is_refused(shared: Up) -> None:
    second = start(shared.data)
    said = second.wait()

    assert second.process.returncode == 1
    assert f"is in use by another stack (process {shared.process.pid})" in said
    assert shared.get("/ready").status_code == 200


def test_it_stops_without_a_trace_and_starts_again_with_keys_and_data_even_when_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as first:
        ready, pids = first.ready(), first.pids()
        assert first.get("/api/v1/user/credits").json()["credits_balance"] == 10_000
        said = first.stop()
    assert first.process.returncode == 0
    for word in (
        ready["api_url"],
        ready["admin_key"],
        ready["demo_key"],
        "text-to-image/generate",
        f"demo --data {data}",
    ):
        assert word in said
    assert not first.ready_file.exists()
    assert [pid for pid in pids if is_running(pid)] == []

    with running(data, "--no-sandbox", PHAYA_RATE_LIMIT_PER_MINUTE="7") as second:
        again, pids = second.ready(), second.pids()
        assert (again["admin_key"], again["demo_key"]) == (ready["admin_key"], ready["demo_key"])
        assert (again["sandbox_url"], again["pids"]["sandbox"]) == (None, [])
        balance = second.get("/api/v1/user/credits")
        assert (balance.json()["credits_balance"], balance.headers["X-RateLimit-Limit"]) == (10_000, "7")
        second.process.kill()
        if sys.platform == "linux":  # Elsewhere the next start ends them.
            eventually(lambda: not any(is_running(pid) for pid in pids))

    with running(data) as third:
        assert third.get("/api/v1/user/credits").json()["credits_balance"] == 10_000


def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = start(tmp_path / "data", "--port", str(port))
        said = up.wait()

    assert up.process.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be had" in said
    assert "--port 0" in said
    assert "Traceback" not in said


def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    up = start(tmp_path / "data", PHAYA_RATE_LIMIT_PER_MINUTE="often")
    said = up.wait()

    assert up.process.returncode == 1
    assert "PHAYA_RATE_LIMIT_PER_MINUTE" in said
    assert "Traceback" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_runs_for_an_ordinary_user() -> None:
    require_open_checkout()
    with tempfile.TemporaryDirectory() as home:
        shutil.chown(home, "nobody")
        with running(Path(home, "data"), user="nobody", HOME=home) as up:
            owners = {Path("/proc", str(pid)).owner() for pid in up.pids()}

            assert owners == {"nobody"}
            assert up.get("/ready").json()["status"] == "ok"


def require_open_checkout() -> None:
    """Skip where another user could not even read the code, as below /root."""
    try:
        subprocess.run([*PHAYA, "--help"], env=ENVIRONMENT, user="nobody", extra_groups=[], cwd="/", check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("the checkout or its Python is closed to other users")
