"""A stack that logs all it can is driven through success and failure, and then searched for what nobody may find."""

import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from app.sandbox.server import running as running_sandbox
from tests.contract.chatting import says
from tests.examples import make_file
from tests.integration.test_up import Up, running
from tests.security.conftest import meanwhile
from tests.stack import FAST_SANDBOX

PROVIDERS = {name: f"{name}-provider-key-5up3r53cr3t" for name in ("kie", "openrouter", "gemini", "whisper")}
PROMPT = "words-that-nobody-reads-7321"
SIGNED = "X-Signature=s1gn4tur3-of-somebody"
GUESSED = "pk_" + "guess" * 8
SECRETS = {**PROVIDERS, "a prompt": PROMPT, "a signed address": SIGNED, "a key that is none": GUESSED}
CALLS, CALLS_LONG = 100, 10_000
LINES, LINES_LONG = 100, 10_000
TOOLS = (b"app.media.jail.keeper", b"ytdlp_child", b"probe_image_child", b"probe_film_child", b"ffmpeg")

pytestmark = pytest.mark.timeout(600)


@dataclass
class Seen:
    """What came to light, by where."""

    errors: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    commands: set[bytes] = field(default_factory=set)
    environments: dict[bytes, bytes] = field(default_factory=dict)  # of tools, by command
    lines: list[str] = field(default_factory=list)
    metrics: str = ""
    records: list[str] = field(default_factory=list)
    keys: tuple[str, ...] = ()


def environment(sandbox: str) -> dict[str, str]:
    """The settings of a stack with keys of its own, whose providers the sandbox plays."""
    keys = {f"PHAYA_{name.upper()}_API_KEYS": key for name, key in PROVIDERS.items()}
    return keys | {
        "PHAYA_LOG_LEVEL": "DEBUG", "PHAYA_FETCH_ALLOW": sandbox.removeprefix("http://"),
        "PHAYA_KIE_BASE_URL": f"{sandbox}/kie", "PHAYA_KIE_UPLOAD_URL": f"{sandbox}/kie",
        "PHAYA_OPENROUTER_BASE_URL": f"{sandbox}/openrouter/api/v1", "PHAYA_GEMINI_BASE_URL": f"{sandbox}/gemini",
        "PHAYA_WHISPER_BASE_URL": f"{sandbox}/whisper/v1", "PHAYA_RATE_LIMIT_PER_MINUTE": "100000",
        "PHAYA_DOWNLOAD_FROM": "generic",
    }


def look_around(seen: Seen) -> None:
    """Read what the machine shows of its processes, and of our tools what they were given."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is gone
            command = (process / "cmdline").read_bytes()
            seen.commands.add(command)
            if any(tool in command for tool in TOOLS) and is_ours(process):
                seen.environments[command] = (process / "environ").read_bytes()


def is_ours(process: Path) -> bool:
    """Whether the process was started below this one: other stacks may run beside."""
    while (parent := (process / "stat").read_text().rpartition(")")[2].split()[1]) not in ("0", "1"):
        if int(parent) == os.getpid():
            return True
        process = process.with_name(parent)
    return False


def bodies(file_url: str) -> list[tuple[str, Mapping[str, object]]]:
    """Jobs that succeed and jobs that fail in every way, with what is to stay secret in each."""
    signed = f"{file_url}?{SIGNED}"
    directives = ("cost=1", "fail", "no-file", "wrong-file", "code=500", "http=500", "bad-json", "lost-answer")
    return [
        *(("/text-to-image/generate", {"prompt": f"{PROMPT} [[sandbox:{word}]]"}) for word in directives),
        *(("/text-to-speech/generate", {"prompt": f"{PROMPT} [[sandbox:{word}]]"}) for word in ("no-file", "http=500")),
        ("/seedance-video/create", {"prompt": PROMPT, "duration": "4", "input_urls": [signed]}),
        ("/seedance-video/create", {"prompt": PROMPT, "duration": "4", "input_urls": [f"http://10.0.0.1/a?{SIGNED}"]}),
        ("/seedance-video/create", {"prompt": PROMPT, "duration": "4", "input_urls": [f"{file_url}.not?{SIGNED}"]}),
        ("/media/extract-last-frame", {"video_url": signed}),
        ("/video-download/create", {"url": signed}),
        ("/video-download/create", {"url": f"http://10.0.0.1/film?{SIGNED}"}),
        ("/text-to-image/generate", {"prompt": [PROMPT]}),
        ("/text-to-image/generate", {"prompt": PROMPT * 1_000}),
    ]


def drive(up: Up, file_url: str, seen: Seen, calls: int) -> None:
    ready = up.ready()
    seen.keys = (ready["admin_key"], ready["demo_key"])
    own = {"Authorization": f"Bearer {ready['demo_key']}"}
    with httpx.Client(base_url=ready["api_url"], timeout=60, trust_env=False) as http:
        def post(path: str, body: Mapping[str, object], key: Mapping[str, str] = own) -> httpx.Response:
            answer = http.post(path, json=body, headers=key)
            (seen.answers if answer.is_success else seen.errors).append(answer.text)
            return answer

        jobs = [answer.json()["job_id"] for path, body in bodies(file_url)
                if (answer := post(f"/api/v1{path}", body)).is_success]
        failing = says(f"{PROMPT} [[sandbox:http=500]]")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: post("/v1/chat/completions", failing), range(calls)))
        post("/v1/chat/completions", says(PROMPT), {"Authorization": f"Bearer {GUESSED}"})
        post("/v1/chat/completions", {"messages": PROMPT})
        for path in (f"/api/v1/callbacks/kie/{GUESSED}", f"/nowhere/{GUESSED}"):
            post(path, {"taskId": PROMPT})
        admin = {"Authorization": f"Bearer {ready['admin_key']}"}
        seen.records = [until_ended(http, job, admin) for job in jobs]
        seen.metrics = http.get("/metrics", headers=admin).text


def until_ended(http: httpx.Client, job: str, admin: Mapping[str, str]) -> str:
    """The operator's record of a job, once it has ended or is given up waiting for."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        record = http.get(f"/api/v1/admin/jobs/{job}", headers=admin)
        if record.json()["ended_at"] or record.json()["state"] == "unclear":
            return record.text
        time.sleep(0.1)
    raise AssertionError(record.text)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, *, is_long: bool) -> Seen:
    """All that is to be seen of such a stack, from its start to its end."""
    data, found = tmp_path_factory.mktemp("secrets") / "data", Seen()
    with running_sandbox(FAST_SANDBOX) as sandbox, meanwhile(partial(look_around, found), every_s=0.02):
        with running(data, "--no-sandbox", **environment(sandbox)) as up:
            upload = httpx.post(
                f"{sandbox}/kie/api/file-stream-upload", headers={"Authorization": "Bearer somebody"},
                data={"uploadPath": "tests", "fileName": "a.mp4"}, files={"file": ("a.mp4", make_file(".mp4"))},
                trust_env=False,
            )
            drive(up, upload.json()["data"]["downloadUrl"], found, CALLS_LONG if is_long else CALLS)
        for log in (data / "logs").glob("*.log*"):
            found.lines += log.read_text(errors="replace").splitlines()
    return found


def leaks(text: str, *others: str) -> list[str]:
    return [name for name, secret in SECRETS.items() if secret in text] + [it[:6] for it in others if it in text]


def test_no_line_of_a_log_holds_a_secret(seen: Seen, *, is_long: bool) -> None:
    assert len([line for line in seen.lines if line.startswith("{")]) >= (LINES_LONG if is_long else LINES)
    assert [(found, line[:300]) for line in seen.lines if (found := leaks(line, *seen.keys))] == []


def test_no_error_tells_a_secret(seen: Seen) -> None:
    assert len(seen.errors) > 5
    assert [body for body in seen.errors if leaks(body, *seen.keys)] == []


def test_no_figure_holds_a_secret(seen: Seen) -> None:
    assert "phaya_" in seen.metrics
    assert leaks(seen.metrics, *seen.keys) == []


def test_no_command_line_holds_a_secret(seen: Seen) -> None:
    commands = [command.decode(errors="replace") for command in seen.commands]

    assert any("app.media.jail.keeper" in command for command in commands)
    assert [command for command in commands if leaks(command, *seen.keys)] == []


def test_no_tool_is_given_our_environment(seen: Seen) -> None:
    given = {command: environment.decode(errors="replace") for command, environment in seen.environments.items()}

    assert given
    assert [command for command, it in given.items() if leaks(it, *seen.keys) or re.search("PHAYA_|password", it)] == []


def test_no_record_of_a_job_holds_a_key(seen: Seen) -> None:
    """What the client asked for stands in it, for the operator alone; what we hold does not."""
    keys = (*PROVIDERS.values(), *seen.keys)

    assert len(seen.records) > 5
    assert [record for record in seen.records if any(key in record for key in keys)] == []
