"""An API process that is killed or stopped while it calls a model: its calls are settled, and none is made again."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import uuid4

import httpx
import pytest

from app.commands.serve import DRAIN_S
from app.config import Settings
from app.embedded import Services
from app.embedded.ports import free_port
from tests.conftest import fresh_database
from tests.contract.chatting import CHAT, balance, last_job, says, settled, times_asked
from tests.stack import NO_CERTIFICATES, Client, Stack, running_stack

# From the death of the process: its lease, and the worker's next look (design 4.2).
RESUMED_WITHIN_S = 15


@pytest.fixture(scope="module")
def stack(services: Services, template: str) -> Iterator[Stack]:
    with fresh_database(services, template) as name, running_stack(
        services, name, lease_s=1, grace_s=0.5
    ) as running:
        yield running


def environment(settings: Settings) -> dict[str, str]:
    names = ("environment", "database_url", "redis_url", "openrouter_base_url", "lease_s")
    values = {f"PHAYA_{name.upper()}": str(getattr(settings, name)) for name in names}
    return {**os.environ, **values, "PHAYA_OPENROUTER_API_KEYS": ",".join(settings.openrouter_api_keys)}


@contextmanager
def api_process(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """An API in a process of its own, which may be killed, and its address."""
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "api", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(settings), stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url)
        yield process, url
    finally:
        process.kill()
        process.wait()


def _await(url: str) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            httpx.get(f"{url}/health", trust_env=False, verify=NO_CERTIFICATES)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the API did not start")


def ask(client: Client, url: str) -> httpx.Client:
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {client.secret}"}, trust_env=False, verify=NO_CERTIFICATES
    )


def test_a_stream_whose_process_died_is_charged_by_upstreams_record(stack: Stack) -> None:
    client, word = stack.client("1"), uuid4().hex
    body = says(f"{word} [[sandbox:tokens=5000]]", stream=True)

    with (
        api_process(stack.settings) as (process, url),
        ask(client, url) as http,
        http.stream("POST", CHAT, json=body) as response,
    ):
        lines = response.iter_lines()
        while last_job(stack, client)["task_id"] is None:
            next(lines)
        process.kill()
        killed_at = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
    job = settled(stack, client)

    assert time.monotonic() - killed_at < RESUMED_WITHIN_S
    assert (job["state"], job["outcome"], job["is_flagged"]) == ("succeeded", "done", False)
    assert [entry.amount for entry in stack.entries(client)] == [-job["credits_used"]]
    assert job["credits_used"] > 0
    assert times_asked(stack, word) == 1


def test_a_whole_answer_that_nobody_got_is_not_charged(stack: Stack) -> None:
    client, word = stack.client("1"), uuid4().hex

    with api_process(stack.settings) as (process, url), ask(client, url) as http:
        http.timeout = 1
        with pytest.raises(httpx.ReadTimeout):
            http.post(CHAT, json=says(f"{word} [[sandbox:slow=30]]"))
        process.kill()
    job = settled(stack, client)

    assert (job["state"], job["is_flagged"]) == ("failed", True)
    assert stack.entries(client) == []
    assert balance(client) == (Decimal(1), Decimal(1))
    assert times_asked(stack, word) <= 1


def test_a_stop_waits_for_streams_and_what_it_does_not_wait_for_is_settled(stack: Stack) -> None:
    quick, endless, words = stack.client("1"), stack.client("1"), (uuid4().hex, uuid4().hex)
    asked = [f"{words[0]} [[sandbox:slow=2]]", f"{words[1]} [[sandbox:stall=60]]"]
    bodies = [says(text, stream=True) for text in asked]

    with (
        api_process(stack.settings) as (process, url),
        ask(quick, url) as http, http.stream("POST", CHAT, json=bodies[0]) as first,
        ask(endless, url) as other, other.stream("POST", CHAT, json=bodies[1], timeout=30) as second,
    ):
        process.terminate()
        assert list(first.iter_lines())[-2:] == ["data: [DONE]", ""]
        with pytest.raises(httpx.RemoteProtocolError):
            list(second.iter_lines())
        process.wait(DRAIN_S)

    whole, cut = settled(stack, quick), settled(stack, endless)
    assert (whole["state"], cut["state"]) == ("succeeded", "succeeded"), (whole, cut)
    assert [times_asked(stack, word) for word in words] == [1, 1]
