"""The OpenAI-compatible routes on the wire: one behaviour under three prefixes, and errors as the SDKs read them."""

import base64
import json
import struct
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.contract.chatting import balance, last_job, says, stream
from tests.stack import Stack, anonymous

PREFIXES = ("/v1", "", "/api/v1")
CALLS = {"/chat/completions": says("Hello"), "/embeddings": {"input": "Hello"}, "/responses": {"input": "Hello"}}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_serves_every_route(stack: Stack, prefix: str) -> None:
    client = stack.client("1")

    for path, body in CALLS.items():
        answer = client.http.post(prefix + path, json=body)
        assert answer.status_code == 200, answer.text
    listed = client.http.get(f"{prefix}/models").json()
    assert listed["object"] == "list"
    for name in ("google/gemini-3-flash-preview", "google%2Fgemini-3-flash-preview", "gpt-5.5", "phaya-gpt"):
        found = client.http.get(f"{prefix}/models/{name}")
        assert found.json() in listed["data"]
    assert len(stack.entries(client)) == 3


def test_models_are_those_that_can_be_asked_for(stack: Stack) -> None:
    listed = stack.client().http.get("/v1/models").json()["data"]

    assert all(list(model) == ["id", "object", "created", "owned_by"] for model in listed)
    ids = {model["id"] for model in listed}
    assert {"gpt-5.5", "gpt-5.4-vision", "text-embedding-3-small", "qwen/qwen3-embedding-8b", "phaya-gpt"} <= ids
    assert "openrouter/auto" not in ids


@pytest.mark.parametrize("name", ["gpt-5.4", "gpt-5.4-vision", "openai/gpt-5.4", "phaya-gpt"])
def test_a_chat_echoes_the_model_that_was_asked_for(stack: Stack, name: str) -> None:
    client = stack.client("1")

    whole = client.http.post("/v1/chat/completions", json=says("Hello", model=name)).json()
    told = stream(client, "Hello", "/v1/chat/completions", model=name)

    assert whole["model"] == name
    assert {chunk["model"] for chunk in told.chunks} == {name}
    assert last_job(stack, client)["request"]["model"] == {
        "phaya-gpt": "google/gemini-3-flash-preview"
    }.get(name, "openai/gpt-5.4")


def test_a_whole_chat_has_openais_form_and_no_word_of_the_provider(stack: Stack) -> None:
    client = stack.client("1")

    body = client.http.post("/v1/chat/completions", json=says("Hello")).json()

    assert list(body) == ["id", "object", "created", "choices", "model", "usage", "credits_used"]
    assert body["object"] == "chat.completion"
    (choice,) = body["choices"]
    assert list(choice) == ["index", "message", "logprobs", "finish_reason"]
    assert choice["message"]["content"] == "The sandbox read your message: Hello"
    assert "cost" not in json.dumps(body)
    assert "native" not in json.dumps(body)


@pytest.mark.parametrize("wants", [True, False])
def test_a_streams_usage_comes_when_it_was_asked_for(stack: Stack, wants: bool) -> None:
    client = stack.client("1")

    told = stream(client, "Hello", "/v1/chat/completions", stream_options={"include_usage": wants})

    assert told.is_done
    assert ("usage" in told.chunks[-1]) is wants
    assert all(chunk["choices"] for chunk in (told.chunks[:-1] if wants else told.chunks))
    assert len(stack.entries(client)) == 1


def test_what_would_change_the_price_is_not_passed_on(stack: Stack) -> None:
    client = stack.client("1")

    body = client.http.post("/v1/chat/completions", json=says(
        "Hello", n=5, models=["openai/gpt-5.5"], plugins=[{"id": "web"}], service_tier="priority",
        provider={"sort": "throughput"},
    )).json()

    assert len(body["choices"]) == 1
    assert "annotations" not in body["choices"][0]["message"]


@pytest.mark.parametrize("more", [
    {"web_search": True}, {"web_search_options": {}}, {"tools": [{"type": "web_search"}]},
    {"tools": [{"type": "web_search_preview"}]},
])
def test_a_search_is_made_by_upstreams_tool(stack: Stack, more: dict[str, Any]) -> None:
    client = stack.client("10")

    body = client.http.post("/v1/chat/completions", json=says("What is new today?", **more)).json()

    assert body["choices"][0]["message"]["annotations"][0]["type"] == "url_citation"
    exact = body["usage"]["prompt_tokens"] * Decimal("10.5") + body["usage"]["completion_tokens"] * Decimal("87.5")
    assert Decimal(str(body["credits_used"])) == (exact / 1_000_000).quantize(Decimal("0.000001"), "ROUND_HALF_UP")


def test_vectors_come_in_base64_when_that_was_asked_for(stack: Stack) -> None:
    client = stack.client("1")

    plain, packed = (
        client.http.post("/v1/embeddings", json={"input": "Hello", **more}).json()
        for more in ({}, {"encoding_format": "base64"})
    )

    numbers = plain["data"][0]["embedding"]
    assert list(plain) == ["object", "data", "model", "usage", "credits_used"]
    assert plain["model"] == "qwen/qwen3-embedding-8b"
    unpacked = struct.unpack(f"<{len(numbers)}f", base64.b64decode(packed["data"][0]["embedding"]))
    assert unpacked == pytest.approx(numbers, abs=1e-6)


def test_another_embedding_model_has_its_own_size_and_price(stack: Stack) -> None:
    client = stack.client("1")

    body = client.http.post("/v1/embeddings", json={
        "input": ["aaaa", [1, 2, 3]][:1], "model": "text-embedding-3-small", "dimensions": 256,
    }).json()

    assert (body["model"], len(body["data"][0]["embedding"])) == ("text-embedding-3-small", 256)
    assert body["credits_used"] == 0.0000007


def test_numbers_of_tokens_are_embedded(stack: Stack) -> None:
    body = stack.client("1").http.post("/v1/embeddings", json={"input": [[1, 2, 3], [4, 5]]}).json()

    assert len(body["data"]) == 2


def error(answer: httpx.Response) -> tuple[int, str, str, str | None]:
    """Status, type, code and param of a refusal in OpenAI's form."""
    body = answer.json()
    assert list(body) == ["error"], body
    assert body["error"]["message"]
    return answer.status_code, body["error"]["type"], body["error"]["code"], body["error"]["param"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_refusals_are_in_openais_form(stack: Stack, prefix: str) -> None:
    chat = f"{prefix}/chat/completions"
    client, poor, other = stack.client("1"), stack.client("0"), stack.client("1", scopes=["image"])
    slow = stack.client("1", rate_per_minute=1)
    slow.http.get(f"{prefix}/models")

    with anonymous(stack.api_url) as nobody:
        assert error(nobody.post(chat, json=says("Hi"))) == (401, "invalid_request_error", "invalid_api_key", None)
    assert error(poor.http.post(chat, json=says("Hi"))) == (402, "insufficient_quota", "insufficient_credits", None)
    assert error(other.http.post(chat, json=says("Hi"))) == (403, "invalid_request_error", "forbidden", None)
    assert error(slow.http.post(chat, json=says("Hi"))) == (429, "rate_limit_error", "rate_limit_exceeded", None)
    assert error(client.http.post(chat, content=b"{")) == (400, "invalid_request_error", "invalid_value", None)
    assert error(client.http.post(chat, json=says("Hi", temperature=3))) == (
        400, "invalid_request_error", "invalid_value", "temperature",
    )
    assert error(client.http.post(chat, json=says("Hi", model="nobody/knows"))) == (
        404, "invalid_request_error", "model_not_found", None,
    )
    assert error(client.http.post(chat, json=says("Hi [[sandbox:http=503]]"))) == (
        502, "api_error", "upstream_error", None,
    )
    assert error(client.http.get(f"{prefix}/models/nobody/knows"))[:3] == (
        404, "invalid_request_error", "model_not_found",
    )
    assert error(client.http.get(f"{prefix}/responses/resp_1"))[:3] == (404, "invalid_request_error", "not_found")
    assert error(client.http.get(chat))[:3] == (405, "invalid_request_error", "method_not_allowed")
    assert balance(client)[0] == 1


def test_a_refusal_carries_its_headers(stack: Stack) -> None:
    with anonymous(stack.api_url) as nobody:
        assert nobody.get("/v1/models").headers["WWW-Authenticate"] == "Bearer"
    client = stack.client(rate_per_minute=1)
    client.http.get("/v1/models")
    assert int(client.http.get("/v1/models").headers["Retry-After"]) > 0


def test_a_stream_that_fails_before_its_first_byte_is_an_ordinary_refusal(stack: Stack) -> None:
    client = stack.client("1")

    for path, body in (("/v1/chat/completions", says("Hi [[sandbox:http=503]]", stream=True)),
                       ("/v1/responses", {"input": "Hi [[sandbox:http=503]]", "stream": True})):
        assert error(client.http.post(path, json=body))[:3] == (502, "api_error", "upstream_error")


def test_unknown_routes_of_others_keep_the_contracts_form(stack: Stack) -> None:
    client = stack.client()

    assert client.http.get("/api/v1/nothing").json()["error"] == "not_found"
    assert error(client.http.get("/v1/nothing"))[2] == "not_found"


def typed_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream of responses, each under its own name."""
    events = []
    for block in filter(None, text.split("\n\n")):
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if not lines:
            continue
        name, data = lines
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def test_a_whole_response(stack: Stack) -> None:
    client = stack.client("1")

    body = client.http.post("/v1/responses", json={
        "model": "gpt-5.4-mini", "input": "Hello", "instructions": "Be brief.", "store": True,
    }).json()

    assert (body["object"], body["status"], body["model"], body["error"]) == (
        "response", "completed", "gpt-5.4-mini", None,
    )
    assert body["id"].startswith("resp_")
    assert (body["instructions"], body["store"], body["tools"], body["tool_choice"]) == ("Be brief.", False, [], "auto")
    (message,) = body["output"]
    assert message["content"][0]["text"] == "The sandbox read your message: Hello"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert "cost" not in json.dumps(usage)
    assert [entry.amount for entry in stack.entries(client)] == [-Decimal(str(body["credits_used"]))]
    assert stack.entries(client)[0].service == "responses"


def test_a_streamed_response(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post("/v1/responses", json={"model": "gpt-5.4-mini", "input": "เล่าเรื่องทะเล", "stream": True})

    events = typed_events(answer.text)
    assert events[0]["type"] == "response.created"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    whole = events[-1]["response"]
    assert events[-1]["type"] == "response.completed"
    assert whole["output"][0]["content"][0]["text"] == text
    assert {event["response"]["model"] for event in events if "response" in event} == {"gpt-5.4-mini"}
    assert whole["usage"]["output_tokens"] > 0
    assert [entry.amount for entry in stack.entries(client)] == [-Decimal(str(whole["credits_used"]))]


def test_a_streamed_response_is_given_again(stack: Stack) -> None:
    client = stack.client("1")
    asked = {"input": "Hello", "stream": True}

    first, second = (
        client.http.post("/v1/responses", json=asked, headers={"Idempotency-Key": "a"}) for _ in range(2)
    )

    assert typed_events(second.text)[-1]["response"] == typed_events(first.text)[-1]["response"]
    assert [event["type"] for event in typed_events(second.text)] == [
        "response.created", "response.output_text.delta", "response.completed",
    ]
    assert len(stack.entries(client)) == 1


def test_a_response_that_fails_in_mid_stream_costs_nothing(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post("/v1/responses", json={"input": "Hello [[sandbox:break-stream=3]]", "stream": True})

    last = typed_events(answer.text)[-1]
    assert (last["type"], last["code"], last["message"]) == ("error", "upstream_error", "The provider failed")
    assert balance(client) == (Decimal(1), Decimal(1))


def test_an_answer_that_is_cut_is_incomplete_and_charged(stack: Stack) -> None:
    client = stack.client("1")

    body = client.http.post("/v1/responses", json={"input": "Tell me about the sea", "max_output_tokens": 3}).json()

    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert body["credits_used"] > 0


def test_the_history_of_a_response_is_sent_whole(stack: Stack) -> None:
    client = stack.client("1")
    tool = {"type": "function", "name": "find_weather", "parameters": {"type": "object", "properties": {}}}
    asked = [{"role": "user", "content": "call find_weather"}]

    first = client.http.post("/v1/responses", json={"input": asked, "tools": [tool]}).json()
    (call,) = first["output"]
    history = [*asked, {"role": "assistant", "content": "I shall look."}, call,
               {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny"}]
    second = client.http.post("/v1/responses", json={"input": history, "tools": [tool]}).json()

    assert (call["type"], call["name"]) == ("function_call", "find_weather")
    assert second["output"][0]["content"][0]["text"] == "The tool answered: Sunny"
    assert second["tools"] == [tool]


@pytest.mark.parametrize(("more", "param"), [
    ({"input": []}, "input"), ({"input": 5}, "input"), ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"max_output_tokens": 0}, "max_output_tokens"), ({"tools": [{"type": "code_interpreter"}]}, "tools"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]}, "input"),
    ({"model": "nobody/knows"}, None),
])
def test_bad_values_of_a_response(stack: Stack, more: dict[str, Any], param: str | None) -> None:
    client = stack.client("1")

    answer = client.http.post("/v1/responses", json={"input": "Hello"} | more)

    status, _, code, named = error(answer)
    assert (status, code) == ((404, "model_not_found") if param is None else (400, "invalid_value"))
    assert (named or "").startswith(param or "")
    assert stack.entries(client) == []
