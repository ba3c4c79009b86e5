"""What becomes of the money, and what a client is told, when upstream fails a chat in each of its ways."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from app.embedded import Services
from tests.conftest import fresh_database
from tests.contract.chatting import CHAT, balance, last_job, opened, says, settled, stream
from tests.stack import Stack, running_stack

ONE = (Decimal(1), Decimal(1))


@pytest.fixture(scope="module")
def impatient(services: Services, template: str) -> Iterator[Stack]:
    """A stack that gives a lost call up soon; its first key is refused upstream, its second is good."""
    with fresh_database(services, template) as name, running_stack(
        services, name, lease_s=1, grace_s=0.5, openrouter_api_keys=("sandbox-invalid", f"good-{name}")
    ) as running:
        yield running


@pytest.mark.parametrize("directive", ["http=500", "http=503", "http=502", "http=429", "http=529", "http=403", "fail"])
@pytest.mark.parametrize("streams", [False, True])
def test_a_provider_that_fails_costs_nothing(stack: Stack, directive: str, streams: bool) -> None:
    client = stack.client("1")

    answer = client.http.post(CHAT, json=says(f"Hello [[sandbox:{directive}]]", stream=streams))

    body = answer.json()
    assert (answer.status_code, body["success"], body["error"]) == (502, False, "upstream_error")
    assert "OpenRouter" not in answer.text
    assert "HTTP" not in answer.text
    assert balance(client) == ONE
    assert stack.entries(client) == []
    assert last_job(stack, client)["state"] == "failed"


@pytest.mark.parametrize("directive", ["http=400", "http=404", "http=413", "http=422"])
def test_what_the_provider_refuses_is_the_requests_fault(stack: Stack, directive: str) -> None:
    client = stack.client("1")

    answer = client.http.post(CHAT, json=says(f"Hello [[sandbox:{directive}]]"))

    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert answer.json()["message"] == "The provider refused the request"
    assert balance(client) == ONE


def test_a_conversation_longer_than_the_model_is_named_so(stack: Stack) -> None:
    client = stack.client("10000")

    answer = client.http.post(CHAT, json=says("word " * 450_000, model="openai/gpt-5.4-nano"))

    assert answer.status_code == 422
    assert answer.json()["message"] == "The conversation is too long for the model"


def test_an_error_inside_a_whole_answer_is_a_failure(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post(CHAT, json=says("Hello [[sandbox:break-stream=3]]"))

    assert (answer.status_code, answer.json()["error"]) == (502, "upstream_error")
    assert balance(client) == ONE


@pytest.mark.parametrize("model", ["google/gemini-3-flash-preview", "openai/gpt-5.4"])
def test_an_error_in_mid_stream_is_told_and_costs_nothing(stack: Stack, model: str) -> None:
    client = stack.client("1")

    told = stream(client, "Tell me about the sea [[sandbox:break-stream=6]]", model=model)

    assert told.status == 200
    assert told.text
    assert told.chunks[-1] == {"error": {
        "message": "The provider failed", "type": "api_error", "param": None, "code": "upstream_error",
    }}
    assert not told.is_done
    assert balance(client) == ONE
    assert last_job(stack, client)["state"] == "failed"


@pytest.mark.parametrize("directive", ["no-done", "usage=empty", "usage=none"])
def test_a_stream_ends_well_whatever_upstream_leaves_out(stack: Stack, directive: str) -> None:
    client = stack.client("1")

    told = stream(client, f"Tell me about the sea [[sandbox:{directive}]]")

    assert told.text == "The sandbox read your message: Tell me about the sea"
    assert told.is_done
    charged = Decimal(str(told.chunks[-1]["credits_used"]))
    assert told.chunks[-1]["usage"]["completion_tokens"] > 0
    assert [-charged] == [entry.amount for entry in stack.entries(client)]


@pytest.mark.parametrize(("model", "is_billed_whole"), [
    ("google/gemini-3-flash-preview", True), ("openai/gpt-5.4", False),
])
def test_a_stream_that_broke_off_costs_what_upstream_says(stack: Stack, model: str, is_billed_whole: bool) -> None:
    client = stack.client("1")
    whole = stack.client("1").http.post(CHAT, json=says("เล่าเรื่องทะเล", model=model)).json()["usage"]

    told = stream(client, "เล่าเรื่องทะเล [[sandbox:cut-stream=5]]", model=model)

    assert told.chunks[-1]["error"]["code"] == "upstream_error"
    assert not told.is_done
    job = settled(stack, client)
    assert job["state"] == "succeeded"
    assert job["task_id"] == told.chunks[0]["id"]
    charged = -stack.entries(client)[0].amount
    assert charged == job["credits_used"]
    output = stack.rows("SELECT output FROM job_attempts WHERE job_id = :id", id=job["id"])[0]["output"]
    assert (output["completion_tokens"] == whole["completion_tokens"]) is is_billed_whole
    assert output["completion_tokens"] > 0


def test_a_whole_answer_that_was_lost_is_given_back(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post(CHAT, json=says("Hello [[sandbox:bad-json]]"))

    assert (answer.status_code, answer.json()["error"]) == (502, "upstream_error")
    job = settled(stack, client)
    assert (job["state"], job["reason"], job["credits_used"]) == ("failed", "answer_lost", 0)
    assert job["cost"] > 0
    assert balance(client) == ONE


def test_an_answer_that_nobody_has_heard_of_is_given_back_after_the_grace_period(impatient: Stack) -> None:
    client = impatient.client("1")

    answer = client.http.post(CHAT, json=says("Hello [[sandbox:lost-answer]]"))

    assert (answer.status_code, answer.json()["error"]) == (502, "upstream_error")
    job = settled(impatient, client)
    assert (job["state"], job["reason"], job["is_flagged"]) == ("failed", "unclear", True)
    assert balance(client) == ONE
    assert impatient.entries(client) == []


def test_the_late_word_of_a_process_that_stood_still_does_not_keep_a_lost_call_for_ever(impatient: Stack) -> None:
    client = impatient.client("1")
    client.http.post(CHAT, json=says("Hello [[sandbox:lost-answer]]"))
    late = """UPDATE job_attempts SET outcome = 'accepted', task_id = 'gen-nobody', answered_at = now()
               WHERE job_id = :id AND outcome = 'lost' RETURNING id"""

    assert len(impatient.rows(late, id=last_job(impatient, client)["id"])) == 1

    job = settled(impatient, client)
    assert (job["outcome"], job["state"], job["reason"]) == ("accepted", "failed", "unclear")
    assert balance(client) == ONE


def test_a_client_that_hangs_up_pays_for_the_whole_answer(stack: Stack) -> None:
    client = stack.client("1")

    with opened(client, "Tell me about the sea [[sandbox:tokens=400]]") as lines:
        assert next(lines)
    job = settled(stack, client)

    assert (job["state"], job["outcome"]) == ("succeeded", "done")
    assert stack.rows("SELECT output FROM job_attempts WHERE job_id = :id", id=job["id"])[0]["output"] == {
        "prompt_tokens": 9, "completion_tokens": 400,
    }
    assert [entry.amount for entry in stack.entries(client)] == [-job["credits_used"]]


def test_a_refused_key_rests_and_the_next_one_is_used(impatient: Stack) -> None:
    client = impatient.client("1")

    answers = [client.http.post(CHAT, json=says("Hello")) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(impatient.rows("SELECT * FROM rested_keys WHERE provider = 'openrouter'")) == 1
    refused = impatient.rows("SELECT * FROM job_attempts WHERE outcome = 'refused' AND provider = 'openrouter'")
    assert 1 <= len(refused) <= 2


def test_nothing_is_kept_of_what_was_said(stack: Stack) -> None:
    client = stack.client("1")

    client.http.post(CHAT, json=says("a secret between us"))

    job = last_job(stack, client)
    assert job["request"].keys() == {"model", "stream", "max_tokens"}
    assert "secret" not in repr(job)
