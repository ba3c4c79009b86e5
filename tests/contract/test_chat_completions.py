"""Chat under the product's own name, to the letter of contract 3.1 and 3.2."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.chatting import CHAT, balance, last_job, says, stream
from tests.stack import Stack


def price(usage: dict[str, int]) -> Decimal:
    """The contract's price, reckoned anew: half up to six places."""
    exact = Decimal(usage["prompt_tokens"]) * Decimal("10.5") + Decimal(usage["completion_tokens"]) * Decimal("87.5")
    return (exact / 1_000_000).quantize(Decimal("0.000001"), rounding="ROUND_HALF_UP")


def test_a_whole_answer_is_flat_and_charged_by_its_usage(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post(CHAT, json=says("สวัสดี"))

    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["success", "id", "model", "message", "usage", "credits_used", "finish_reason"]
    assert (body["success"], body["model"], body["finish_reason"]) == (True, "Phaya-GPT", "stop")
    assert body["message"] == {"role": "assistant", "content": "แซนด์บ็อกซ์ได้รับข้อความของคุณ: สวัสดี"}
    assert body["usage"].keys() == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert Decimal(str(body["credits_used"])) == price(body["usage"]) > 0
    assert balance(client) == (1 - price(body["usage"]),) * 2
    assert [entry.amount for entry in stack.entries(client)] == [-price(body["usage"])]


def test_the_live_sample_costs_what_it_cost_live(stack: Stack) -> None:
    client = stack.client("1")
    # The sandbox counts three tokens for a message and one for four letters: 11 and 4, as in the contract's sample.
    body = client.http.post(CHAT, json=says("aaaabbbbccccddddeeeeffffgggghhhh[[sandbox:tokens=4]]")).json()

    assert body["usage"] == {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}
    assert body["credits_used"] == 0.000466


def test_a_stream_brings_chunks_then_the_bill_then_the_end(stack: Stack) -> None:
    client = stack.client("1")

    told = stream(client, "Tell me about the sea")

    *_, bill = told.chunks
    assert told.status == 200
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.text == "The sandbox read your message: Tell me about the sea"
    assert (told.finish_reason, told.is_done) == ("stop", True)
    assert bill["choices"] == []
    assert Decimal(str(bill["credits_used"])) == price(bill["usage"]) > 0
    assert {chunk["model"] for chunk in told.chunks} == {"Phaya-GPT"}
    assert {chunk["object"] for chunk in told.chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in told.chunks}) == 1
    assert balance(client) == (1 - price(bill["usage"]),) * 2


def test_nothing_in_a_stream_is_null_that_a_client_would_print(stack: Stack) -> None:
    tool = {"type": "function", "function": {"name": "find_weather", "parameters": {"type": "object"}}}
    client = stack.client("1")

    told = stream(client, "call find_weather", tools=[tool])

    deltas = [choice["delta"] for chunk in told.chunks for choice in chunk["choices"]]
    assert told.finish_reason == "tool_calls"
    assert any("tool_calls" in delta for delta in deltas)
    assert not any(value is None for delta in deltas for value in delta.values())


@pytest.mark.parametrize("name", ["phaya-gpt", "Phaya-GPT", "PHAYA-GPT", "google/gemini-3-flash-preview", None])
def test_the_default_model_has_several_names(stack: Stack, name: str | None) -> None:
    client = stack.client("1")

    body = client.http.post(CHAT, json=says("Hello", model=name)).json()

    assert body["model"] == "Phaya-GPT"
    assert last_job(stack, client)["request"]["model"] == "google/gemini-3-flash-preview"
    assert Decimal(str(body["credits_used"])) == price(body["usage"])


def test_another_model_costs_its_list_price_in_credits(stack: Stack) -> None:
    client = stack.client("1")

    body = client.http.post(CHAT, json=says("Hello", model="openai/gpt-5.4-mini")).json()

    exact = Decimal(body["usage"]["prompt_tokens"]) * Decimal("0.25") + body["usage"]["completion_tokens"] * Decimal(2)
    assert Decimal(str(body["credits_used"])) == (exact * 35 / 1_000_000).quantize(Decimal("0.000001"), "ROUND_HALF_UP")


@pytest.mark.parametrize("more", [
    {"unknown": 1, "n": 4, "models": ["openai/gpt-5.5"], "plugins": [{"id": "web"}], "service_tier": "priority"},
    {"max_tokens": None}, {"temperature": 0}, {"temperature": 2.0}, {"max_tokens": 1}, {"web_search": False},
])
def test_what_is_optional_or_unknown_does_no_harm(stack: Stack, more: dict[str, Any]) -> None:
    answer = stack.client("1").http.post(CHAT, json=says("Hello", **more))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("body", "field"), [
    ({}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hello"}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages.0"),
    ({"messages": [{"role": "robot", "content": "Hello"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content.str"),
    ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://x/y"}}]}]},
     "messages.0.content"),
    (says("Hello", temperature=2.1), "temperature"),
    (says("Hello", temperature="0.5"), "temperature"),
    (says("Hello", max_tokens=0), "max_tokens"),
    (says("Hello", max_tokens="10"), "max_tokens"),
    (says("Hello", stream="yes"), "stream"),
    (says("Hello", web_search=1), "web_search"),
    (says("Hello", model=""), "model"),
    (says("Hello", model="openai/gpt-1"), "model"),
    (says("Hello", model="qwen/qwen3-embedding-8b"), "model"),
    (says("Hello", model="openrouter/auto"), "model"),
    (says("Hello", tools=[{"type": "code_interpreter"}]), "tools.0"),
])
def test_a_bad_value_is_named_and_costs_nothing(stack: Stack, body: dict[str, Any], field: str) -> None:
    client = stack.client("1")

    answer = client.http.post(CHAT, json=body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["error"] == "validation_error"
    assert answer.json()["message"].startswith(f"{field}")
    assert ".".join(str(part) for part in answer.json()["detail"][0]["loc"][1:]).startswith(field)
    assert stack.entries(client) == []


def test_a_body_that_is_not_json_is_a_bad_request(stack: Stack) -> None:
    answer = stack.client("1").http.post(CHAT, content=b"{")

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


def test_too_few_credits_for_a_short_answer_are_refused(stack: Stack) -> None:
    client = stack.client("0.02")

    answer = client.http.post(CHAT, json=says("Hello"))

    body = answer.json()
    assert (answer.status_code, body["error"]) == (402, "insufficient_credits")
    assert body["required"] > body["available"] == body["credits_balance"] == 0.02
    assert stack.entries(client) == []


def test_a_stream_is_refused_before_it_begins(stack: Stack) -> None:
    answer = stack.client("0").http.post(CHAT, json=says("Hello", stream=True))

    assert (answer.status_code, answer.json()["error"]) == (402, "insufficient_credits")


def test_with_few_credits_the_answer_is_as_long_as_they_pay(stack: Stack) -> None:
    client = stack.client("0.04")

    body = client.http.post(CHAT, json=says("Hello [[sandbox:tokens=5000]]")).json()

    cap = last_job(stack, client)["request"]["max_tokens"]
    assert body["finish_reason"] == "length"
    assert 256 <= cap < 460
    assert body["usage"]["completion_tokens"] == cap
    assert 0 < balance(client)[0] < Decimal("0.01")


def test_a_key_of_another_scope_is_forbidden(stack: Stack) -> None:
    answer = stack.client("1", scopes=["image", "embedding"]).http.post(CHAT, json=says("Hello"))

    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


def test_the_service_alone_is_scope_enough(stack: Stack) -> None:
    assert stack.client("1", scopes=["phaya-gpt"]).http.post(CHAT, json=says("Hello")).status_code == 200


def test_a_dry_run_tells_the_most_that_it_can_cost(stack: Stack) -> None:
    client = stack.client("1", scopes=["llm", "account:read"])

    answer = client.http.post(CHAT, params={"dry_run": "true"}, json=says("Hello", max_tokens=1_000)).json()

    assert (answer["success"], answer["dry_run"]) == (True, True)
    assert Decimal("0.0875") < Decimal(str(answer["credits"])) < Decimal("0.1")
    assert balance(client) == (Decimal(1), Decimal(1))


def test_models_are_listed_with_what_they_can(stack: Stack) -> None:
    answer = stack.client().http.get("/api/v1/phaya-gpt/models").json()

    first = answer["models"][0]
    assert (answer["success"], answer["default"]) == (True, "google/gemini-3-flash-preview")
    assert first == {"id": "google/gemini-3-flash-preview", "name": "Phaya-GPT", "context_length": 1_048_576,
                     "supports": ["chat", "vision", "tools", "stream"]}
    ids = [model["id"] for model in answer["models"]]
    assert "openai/gpt-5.4" in ids
    assert not {"openrouter/auto", "qwen/qwen3-embedding-8b"} & set(ids)


def test_prices_are_told_by_the_million(stack: Stack) -> None:
    answer = stack.client().http.get("/api/v1/phaya-gpt/pricing").json()

    assert {name: answer[name] for name in ("success", "model", "currency", "unit", "input", "output")} == {
        "success": True, "model": "Phaya-GPT", "currency": "THB", "unit": "per_million_tokens", "input": 10.5,
        "output": 87.5,
    }
    assert answer["models"]["google/gemini-3-flash-preview"] == {"input": 10.5, "output": 87.5}
    assert answer["models"]["openai/gpt-5.4-nano"] == {"input": 1.75, "output": 14.0}
