"""Callbacks that a provider did not send: whatever they hold, one answer, and a job that stands as it stood."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pytest

from tests.asking import balance, created, ended, read
from tests.stack import Client, Stack

PATIENCE = 500
ANSWER = (200, {"success": True})


@dataclass(frozen=True)
class Sent:
    """A job at the provider: its id, and what only the provider and we know."""

    job_id: str
    secret: str
    task_id: str


@pytest.fixture(scope="module")
def client(stack: Stack) -> Client:
    return stack.client()


def sent(stack: Stack, client: Client) -> Sent:
    """A job that takes a minute, once the provider has it."""
    job_id = created(client, "/seedance-video/create", {"prompt": "A boat [[sandbox:slow=60]] [[sandbox:no-callback]]"})
    job = str(job_id["job_id"])
    for _ in range(PATIENCE):
        rows = stack.rows("SELECT task_id FROM job_attempts WHERE job_id = :job AND task_id IS NOT NULL", job=job)
        if rows:
            break
    task_id = str(rows[0]["task_id"])
    asked = stack.control("GET", "requests", params={"task_id": task_id})["requests"]
    address = next(it["callback_url"] for it in asked if it["callback_url"])
    return Sent(job, address.rsplit("/", 1)[-1], task_id)


@pytest.fixture(scope="module")
def jobs(stack: Stack, client: Client) -> Iterator[tuple[Sent, Sent]]:
    first, second = sent(stack, client), sent(stack, client)
    yield first, second
    for job in (first, second):
        client.http.post(f"/api/v1/seedance-video/cancel/{job.job_id}")


def forgeries(own: Sent, other: Sent) -> dict[str, tuple[str, bytes]]:
    """With which secret, and what."""
    success = {"code": 200, "data": {"taskId": own.task_id, "state": "success",
                                     "resultJson": '{"resultUrls":["https://example.org/a.mp4"]}'}}
    failure = {"code": 501, "data": {"taskId": own.task_id, "state": "fail", "failMsg": "No"}}
    told = orjson.dumps(success)
    return {
        "a guess": ("0" * len(own.secret), told),
        "the job's id": (own.job_id, told),
        "no secret": ("-", told),
        "its own secret, and success": (own.secret, told),
        "its own secret, and failure": (own.secret, orjson.dumps(failure)),
        "another job's secret": (other.secret, told),
        "its own secret for another task": (own.secret, orjson.dumps({"taskId": other.task_id})),
        "nothing": (own.secret, b""),
        "no JSON": (own.secret, b"{"),
        "no object": (own.secret, b"[1]"),
        "deep": (own.secret, b"[" * 100_000 + b"]" * 100_000),
        "deep objects": (own.secret, b'{"data":' * 20_000 + b"1" + b"}" * 20_000),
        "wrong types": (own.secret, orjson.dumps({"code": [], "data": {"taskId": {"a": 1}, "state": 7}})),
        "no text": (own.secret, b'{"taskId": "\xff\xfe"}'),
        "a NUL": (own.secret, b'{"taskId": "\\u0000"}'),
        "too much": (own.secret, b'{"taskId": "' + b"a" * 3_000_000 + b'"}'),
        "a secret that is too long": ("a" * 8_000, told),
        "a secret with a NUL": ("%00", told),
    }


NAMES = tuple(forgeries(Sent("", "", ""), Sent("", "", "")))


def standing(stack: Stack, job: Sent) -> object:
    """What must not change: the state, its moves, the money, and what the provider's task is."""
    return stack.rows(
        """SELECT j.state, j.error, h.state AS hold, a.task_id, a.hinted_task_id, a.outcome,
        (SELECT count(*) FROM job_events e WHERE e.job_id = j.id) AS moves,
        (SELECT count(*) FROM ledger_entries e WHERE e.job_id = j.id) AS entries
        FROM jobs j JOIN holds h ON h.job_id = j.id JOIN job_attempts a ON a.job_id = j.id WHERE j.id = :job""",
        job=job.job_id,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by_query", [False, True], ids=["path", "query"])
def test_a_callback_that_is_forged_changes_and_tells_nothing(
    stack: Stack, client: Client, jobs: tuple[Sent, Sent], name: str, *, by_query: bool
) -> None:
    own, other = jobs
    before, money = (standing(stack, own), standing(stack, other)), balance(client)
    secret, body = forgeries(own, other)[name]
    path = f"/api/v1/seedance-video/callback?secret={secret}" if by_query else f"/api/v1/callbacks/kie/{secret}"

    for _ in range(2):
        answer = client.http.post(path, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()) == ANSWER

    assert (standing(stack, own), standing(stack, other)) == before
    assert balance(client) == money


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_answered_alike_for_any_secret(
    client: Client, jobs: tuple[Sent, Sent], method: str
) -> None:
    answers = [client.http.request(method, f"/api/v1/callbacks/kie/{secret}") for secret in (jobs[0].secret, "guess")]

    assert [answer.status_code for answer in answers] == [405, 405]
    assert answers[0].json() == answers[1].json()


def test_a_callback_that_is_replayed_after_the_end_pays_nothing_twice(stack: Stack, client: Client) -> None:
    body = {"prompt": "A boat [[sandbox:duplicate-callback]]"}
    job_id = str(created(client, "/seedance-video/create", body)["job_id"])
    status = ended(client, f"/seedance-video/status/{job_id}")
    (attempt,) = stack.rows("SELECT task_id FROM job_attempts WHERE job_id = :job", job=job_id)
    asked = stack.control("GET", "requests", params={"task_id": attempt["task_id"]})["requests"]
    job = Sent(job_id, next(it["callback_url"] for it in asked if it["callback_url"]).rsplit("/", 1)[-1], "")
    before, money = standing(stack, job), balance(client)

    for _ in range(3):
        answer = client.http.post(f"/api/v1/callbacks/kie/{job.secret}", json={"data": {"taskId": attempt["task_id"]}})
        assert (answer.status_code, answer.json()) == ANSWER

    assert (standing(stack, job), balance(client)) == (before, money)
    assert read(client, f"/seedance-video/status/{job_id}") == status
