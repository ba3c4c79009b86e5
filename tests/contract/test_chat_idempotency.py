"""A paid call that is sent twice with the same Idempotency-Key is made and charged once (design 4.9)."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from app.services import replay_call
from tests.contract.chatting import CHAT, says, stream, times_asked
from tests.stack import Stack


@pytest.fixture
def word() -> str:
    """A word that no other test says."""
    return uuid4().hex


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_the_same_answer_is_given_again_and_charged_once(stack: Stack, word: str) -> None:
    client = stack.client("1")

    first, second = (client.http.post(CHAT, json=says(word), headers=keyed("a")) for _ in range(2))

    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(stack.entries(client)) == 1
    assert times_asked(stack, word) == 1


def test_a_stream_is_given_again_as_one_chunk_the_bill_and_the_end(stack: Stack, word: str) -> None:
    client = stack.client("1")

    first, second = (stream(client, f"เล่าเรื่อง {word}", headers=keyed("a")) for _ in range(2))

    assert (second.text, second.finish_reason, second.is_done) == (first.text, "stop", True)
    assert len(second.chunks) == 2
    assert second.chunks[-1] == first.chunks[-1]
    assert {chunk["id"] for chunk in second.chunks} == {chunk["id"] for chunk in first.chunks}
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(stack.entries(client)) == 1


def test_a_streamed_tool_call_is_given_again_whole(stack: Stack) -> None:
    tool = {"type": "function", "function": {"name": "find_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}},
    }}}
    client = stack.client("1")

    first, second = (stream(client, "call find_weather", tools=[tool], headers=keyed("a")) for _ in range(2))

    pieces = [call for chunk in first.chunks for choice in chunk["choices"]
              for call in choice["delta"].get("tool_calls", ())]
    (call,) = second.chunks[0]["choices"][0]["delta"]["tool_calls"]
    assert call["function"]["arguments"] == "".join(piece["function"].get("arguments", "") for piece in pieces)
    assert (call["index"], call["id"], call["function"]["name"]) == (0, pieces[0]["id"], "find_weather")


def test_another_body_under_the_same_key_is_refused(stack: Stack) -> None:
    client = stack.client("1")
    client.http.post(CHAT, json=says("Hello"), headers=keyed("a"))

    answer = client.http.post(CHAT, json=says("Goodbye"), headers=keyed("a"))

    assert (answer.status_code, answer.json()["error"]) == (422, "idempotency_key_reused")


def test_the_same_key_of_another_account_is_another_key(stack: Stack, word: str) -> None:
    for client in (stack.client("1"), stack.client("1")):
        assert client.http.post(CHAT, json=says(word), headers=keyed("a")).status_code == 200
    assert times_asked(stack, word) == 2


def test_a_request_that_comes_meanwhile_waits_for_the_answer(stack: Stack, word: str) -> None:
    client = stack.client("1")

    with ThreadPoolExecutor(4) as pool:
        def ask(_: int) -> object:
            return client.http.post(CHAT, json=says(f"{word} [[sandbox:slow=0.3]]"), headers=keyed("a")).json()

        answers = list(pool.map(ask, range(4)))

    assert answers == answers[:1] * 4
    assert len(stack.entries(client)) == 1
    assert times_asked(stack, word) == 1


def test_a_request_that_comes_far_too_early_is_told_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_call, "WAIT_S", 0)
    client = stack.client("1")

    with client.http.stream("POST", CHAT, json=says("Hi [[sandbox:slow=0.5]]", stream=True), headers=keyed("a")) as one:
        answer = client.http.post(CHAT, json=says("Hi [[sandbox:slow=0.5]]", stream=True), headers=keyed("a"))
        one.read()

    assert (answer.status_code, answer.json()["error"]) == (409, "idempotency_in_progress")


def test_a_call_that_failed_may_be_made_again(stack: Stack, word: str) -> None:
    client = stack.client("1")
    stack.fault("http=503", provider="openrouter", model="mystery/unmeasured")

    first, second = (
        client.http.post(CHAT, json=says(word, model="mystery/unmeasured"), headers=keyed("a")) for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (502, 200)
    assert len(stack.entries(client)) == 1


def test_an_answer_too_large_to_keep_is_not_made_twice(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_call, "KEPT_MOST_BYTES", 100)
    client = stack.client("1")
    client.http.post(CHAT, json=says("Hello"), headers=keyed("a"))

    answer = client.http.post(CHAT, json=says("Hello"), headers=keyed("a"))

    assert (answer.status_code, answer.json()["error"]) == (409, "idempotency_not_kept")
    assert len(stack.entries(client)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(stack: Stack, key: str) -> None:
    answer = stack.client("1").http.post(CHAT, json=says("Hello"), headers=keyed(key))

    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
