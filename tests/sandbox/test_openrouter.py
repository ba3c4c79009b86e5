"""The OpenRouter stand-in, over HTTP."""

import json
from decimal import Decimal
from typing import Any

import httpx
import jsonschema
import pytest

from app.sandbox import tokens
from app.sandbox.config import BROKE_KEY, FORBIDDEN_KEY, INVALID_KEY, MANAGEMENT_KEY
from app.sandbox.openrouter.schemas import example
from tests.sandbox.driving import Client, Connect, JsonObject, fetch, until

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}, "unit": {"enum": ["C", "F"]}},
    "required": ["city", "days"],
}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]


def frames(client: Client, text: str, **more: Any) -> list[str]:
    """The `data:` payloads of a stream, as far as it comes."""
    body = {"model": "openai/gpt-5.4", "messages": [{"role": "user", "content": text}], "stream": True} | more
    found: list[str] = []
    with client.http.stream("POST", "/openrouter/api/v1/chat/completions", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-generation-id"].startswith("gen-")
        try:
            for line in response.iter_lines():
                assert not line or line.startswith((":", "data: "))
                found += [line.removeprefix("data: ")] if line.startswith("data: ") else []
        except httpx.RemoteProtocolError:
            found.append("BROKEN")
    return found


def text_of(payloads: list[str]) -> str:
    chunks = [json.loads(payload) for payload in payloads if payload.startswith("{")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def test_an_answer_and_what_it_cost(client: Client) -> None:
    body = client.answer("สวัสดีครับ", model="google/gemini-3-flash-preview")
    usage, choice = body["usage"], body["choices"][0]
    cost = usage["prompt_tokens"] * Decimal("0.0000003") + usage["completion_tokens"] * Decimal("0.0000025")

    assert "สวัสดีครับ" in choice["message"]["content"]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("stop", "STOP")
    assert usage["prompt_tokens"] == tokens.count("สวัสดีครับ") + tokens.MESSAGE_TOKENS
    assert usage["completion_tokens"] == tokens.count(choice["message"]["content"])
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["cost"] == float(cost)
    assert (body["model"], body["provider"]) == ("google/gemini-3-flash-preview", "Google AI Studio")


def test_the_same_question_has_the_same_answer(client: Client) -> None:
    assert client.answer("Hello")["choices"] == client.answer("Hello")["choices"]


def test_the_stream_says_the_same_with_usage_before_done(client: Client) -> None:
    payloads = frames(client, "บอกฉันเรื่องแม่น้ำ")
    chunks = [json.loads(payload) for payload in payloads[:-1]]
    whole = client.answer("บอกฉันเรื่องแม่น้ำ")

    assert payloads[-1] == "[DONE]"
    assert text_of(payloads) == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert sum("usage" in chunk for chunk in chunks) == 1


def test_a_character_is_cut_between_two_network_chunks(client: Client) -> None:
    body = {"messages": [{"role": "user", "content": "สวัสดี"}], "stream": True}
    with client.http.stream("POST", "/openrouter/api/v1/chat/completions", json=body) as response:
        raw = list(response.iter_raw())

    assert raw[0].startswith(b": OPENROUTER PROCESSING\n\n")
    with pytest.raises(UnicodeDecodeError):
        raw[1].decode()


def test_max_tokens_and_the_asked_length(client: Client) -> None:
    short = client.answer("Hello", max_tokens=3)
    long = client.answer("Hello [[sandbox:tokens=500]]")

    assert (short["choices"][0]["finish_reason"], short["usage"]["completion_tokens"]) == ("length", 3)
    assert (long["choices"][0]["finish_reason"], long["usage"]["completion_tokens"]) == ("stop", 500)


@pytest.mark.parametrize(
    "more",
    [
        {"text": "call get_weather please"},
        {"text": "get weather for Bangkok"},
        {"text": "Hello", "tool_choice": "required"},
        {"text": "Hello", "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    ],
)
def test_a_tool_is_called_with_valid_arguments(client: Client, more: JsonObject) -> None:
    choice = client.answer(tools=TOOLS, **more)["choices"][0]
    call = choice["message"]["tool_calls"][0]

    assert (choice["finish_reason"], call["function"]["name"]) == ("tool_calls", "get_weather")
    jsonschema.validate(json.loads(call["function"]["arguments"]), WEATHER)


def test_no_tool_is_called_unasked_and_its_result_is_read(client: Client) -> None:
    first = client.answer("get_weather", tools=TOOLS)["choices"][0]["message"]
    talk = [
        {"role": "user", "content": "get_weather"},
        first,
        {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "31 degrees"},
    ]

    assert "31 degrees" in client.answer(messages=talk, tools=TOOLS)["choices"][0]["message"]["content"]
    assert "tool_calls" not in client.answer("Hello", tools=TOOLS)["choices"][0]["message"]
    assert "tool_calls" not in client.answer("get_weather", tools=TOOLS, tool_choice="none")["choices"][0]["message"]


def test_a_streamed_tool_call_comes_in_pieces(client: Client) -> None:
    chunks = [json.loads(payload) for payload in frames(client, "get_weather", tools=TOOLS)[:-1]]
    pieces = [call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", [])]

    assert pieces[0]["function"]["name"] == "get_weather"
    jsonschema.validate(json.loads("".join(piece["function"]["arguments"] for piece in pieces)), WEATHER)


def test_answers_in_json(client: Client) -> None:
    some = client.answer("Hello", response_format={"type": "json_object"})
    form = {"type": "json_schema", "json_schema": {"name": "weather", "strict": True, "schema": WEATHER}}
    shaped = client.answer("Hello", response_format=form)

    assert isinstance(json.loads(some["choices"][0]["message"]["content"]), dict)
    jsonschema.validate(json.loads(shaped["choices"][0]["message"]["content"]), WEATHER)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "minLength": 12},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        }}}},
        {"anyOf": [{"type": "number", "exclusiveMinimum": 3, "multipleOf": 0.5}, {"type": "null"}]},
        {"allOf": [{"type": "object", "properties": {"a": {"const": 4}}, "required": ["a"]}, {"required": ["b"],
            "properties": {"b": {"type": ["boolean", "null"]}}}]},
        {"type": "array", "minItems": 3, "items": {"type": "integer", "minimum": 5, "multipleOf": 4}},
        {"type": "string", "maxLength": 3},
        {"type": "number", "maximum": -5},
    ],
)
def test_examples_are_valid(schema: JsonObject) -> None:
    jsonschema.validate(example(schema), schema)


def test_pictures_are_counted(client: Client) -> None:
    parts = [
        {"type": "text", "text": "Hello"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
    ]
    body = client.answer(messages=[{"role": "user", "content": parts}])

    assert "2 pictures" in body["choices"][0]["message"]["content"]
    assert body["usage"]["prompt_tokens"] == tokens.count("Hello") + tokens.MESSAGE_TOKENS + 2 * tokens.IMAGE_TOKENS


def test_reasoning_is_shown_and_counted(client: Client) -> None:
    body = client.answer("Hello", reasoning={"effort": "low"})
    streamed = frames(client, "Hello", reasoning={"effort": "low"})

    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert body["choices"][0]["message"]["reasoning"].startswith("The user says")
    assert any('"reasoning":"' in payload for payload in streamed)
    hidden = client.answer("Hello", reasoning={"effort": "low", "exclude": True})
    assert hidden["choices"][0]["message"]["reasoning"] is None


@pytest.mark.parametrize(
    ("more", "status", "kind"),
    [
        ({"model": "openai/gpt-0"}, 400, "invalid_request"),
        ({"model": "qwen/qwen3-embedding-8b"}, 404, "not_found"),
        ({"messages": []}, 400, "invalid_request"),
        ({"messages": [{"role": "king", "content": "x"}]}, 400, "invalid_request"),
        ({"max_tokens": 0}, 400, "invalid_request"),
        ({"tools": [{"type": "function"}]}, 400, "invalid_request"),
        ({"text": "[[sandbox:code=429]]"}, 429, "rate_limit_exceeded"),
        ({"text": "[[sandbox:http=503]]"}, 503, "provider_overloaded"),
        ({"text": "[[sandbox:fail]]"}, 502, "provider_unavailable"),
        ({"text": "[[sandbox:fail]]", "stream": True}, 502, "provider_unavailable"),
    ],
)
def test_what_is_refused(client: Client, more: JsonObject, status: int, kind: str) -> None:
    response = client.chat(**more)
    error = response.json()["error"]

    assert (response.status_code, error["code"], error["metadata"]["error_type"]) == (status, status, kind)


def test_a_prompt_that_is_too_long(client: Client) -> None:
    response = client.chat("ก " * 200_001)

    assert response.status_code == 400
    assert response.json()["error"]["metadata"]["error_type"] == "context_length_exceeded"


def test_retry_after_is_sent_when_asked_for(client: Client) -> None:
    refused = client.chat("[[sandbox:code=429]] [[sandbox:retry-after=7]]")

    assert refused.headers["retry-after"] == "7"
    assert "retry-after" not in client.chat("[[sandbox:code=429]]").headers


def test_keys(client: Client, connect: Connect) -> None:
    bare = fetch(f"{client.url}/openrouter/api/v1/chat/completions", "POST")

    assert bare.status_code == 401
    assert connect(client.url, INVALID_KEY).chat().status_code == 401
    assert connect(client.url, BROKE_KEY).chat().status_code == 402
    assert connect(client.url, FORBIDDEN_KEY).chat().status_code == 403


def test_an_error_in_mid_stream_costs_nothing(client: Client) -> None:
    payloads = frames(client, "Hello [[sandbox:break-stream=4]]", model="google/gemini-2.5-flash")
    last = json.loads(payloads[-1])

    assert tokens.count(text_of(payloads)) == 4
    assert (last["error"]["code"], last["choices"][0]["finish_reason"]) == (502, "error")
    assert charge(client, last["id"]) == 0


def charge(client: Client, generation: str) -> float:
    charges = client.control("GET", "books")["charges"]
    return next(float(one["cost"]) for one in charges if one["id"] == generation)


def test_openai_models_break_with_a_word_for_a_code(client: Client) -> None:
    assert json.loads(frames(client, "Hello [[sandbox:break-stream=4]]")[-1])["error"]["code"] == "server_error"


def test_an_error_inside_a_whole_answer(client: Client) -> None:
    choice = client.answer("Hello [[sandbox:break-stream=4]]")["choices"][0]

    assert (choice["finish_reason"], choice["error"]["code"]) == ("error", 502)
    assert tokens.count(choice["message"]["content"]) == 4


def test_a_stream_can_be_cut_or_end_without_its_last_words(client: Client) -> None:
    cut = frames(client, "Hello [[sandbox:cut-stream=6]]")
    silent = frames(client, "Hello [[sandbox:no-done]] [[sandbox:usage=none]]")
    empty = frames(client, "Hello [[sandbox:usage=empty]]")

    assert (cut[-1], tokens.count(text_of(cut[:-1]))) == ("BROKEN", 6)
    assert json.loads(silent[-1])["choices"][0]["finish_reason"] == "stop"
    assert json.loads(empty[-2])["choices"] == []
    assert json.loads(empty[-2])["usage"]["total_tokens"] > 0


def test_a_lost_answer_was_paid_for(client: Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.chat("mark-lost [[sandbox:lost-answer]]")
    charges = client.control("GET", "books")["charges"]

    assert [one["cost"] > 0 for one in charges if one["text"].startswith("mark-lost")] == [True]


def test_slow_sends_comments_before_the_first_token(client: Client) -> None:
    body = {"messages": [{"role": "user", "content": "[[sandbox:slow=1.1]]"}], "stream": True}
    with client.http.stream("POST", "/openrouter/api/v1/chat/completions", json=body) as response:
        lines = [line for line in response.iter_lines() if line]

    assert lines[:2] == [": OPENROUTER PROCESSING"] * 2
    assert lines[2].startswith("data: ")


@pytest.mark.parametrize(("model", "billed_whole"), [("openai/gpt-5.4", False), ("google/gemini-2.5-flash", True)])
def test_hanging_up_stops_the_work_where_the_provider_can(client: Client, model: str, billed_whole: bool) -> None:
    text = "Hello [[sandbox:tokens=100000]]"
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True}
    with client.http.stream("POST", "/openrouter/api/v1/chat/completions", json=body) as response:
        generation = response.headers["x-generation-id"]
        next(response.iter_lines())

    def record() -> JsonObject | None:
        answer = client.http.get("/openrouter/api/v1/generation", params={"id": generation})
        return dict(answer.json()["data"]) if answer.status_code == 200 else None

    found = until(record, "the record")
    assert found["cancelled"] is True
    assert (found["tokens_completion"] == 100_000) == billed_whole
    assert charge(client, generation) == found["total_cost"]
    asked = client.control("GET", "requests", params={"task_id": generation, "model": model})["requests"]
    assert any(one["answer"].startswith("hung up after ") for one in asked)
    assert client.control("GET", "books", params={"details": "false"})["open_streams"] == 0


def test_a_generations_record_comes_late_and_to_its_own_key(client: Client, connect: Connect) -> None:
    body = client.answer("Hello")

    def look(asker: Client) -> httpx.Response:
        return asker.http.get("/openrouter/api/v1/generation", params={"id": body["id"]})

    assert look(client).status_code == 404
    until(lambda: look(client).status_code == 200)
    assert look(client).json()["data"]["total_cost"] == body["usage"]["cost"]
    assert look(connect(client.url)).status_code == 404


def test_the_list_of_models(client: Client) -> None:
    listed = fetch(f"{client.url}/openrouter/api/v1/models").json()
    models = {model["id"]: model for model in listed["data"]}

    assert models["google/gemini-3-flash-preview"]["pricing"]["prompt"] == "0.0000003"
    assert models["google/gemini-3-flash-preview"]["pricing"]["completion"] == "0.0000025"
    assert {"openai/gpt-5.5", "openai/gpt-5.4-mini", "google/gemini-2.5-flash"} <= set(models)
    assert "qwen/qwen3-embedding-8b" not in models
    assert models["mystery/unmeasured"]["context_length"] is None
    assert any("overrides" in model["pricing"] for model in models.values())


def test_the_list_in_pages(client: Client) -> None:
    whole = client.http.get("/openrouter/api/v1/models?output_modalities=all").json()
    first = client.http.get("/openrouter/api/v1/models?output_modalities=all&limit=4").json()
    last = client.http.get("/openrouter/api/v1/models?output_modalities=all&limit=50&offset=4").json()

    assert first["data"] + last["data"] == whole["data"]
    assert first["links"]["next"] is not None
    assert last["links"]["next"] is None
    assert client.http.get("/openrouter/api/v1/models?limit=x").status_code == 400


def test_one_model(client: Client) -> None:
    assert client.http.get("/openrouter/api/v1/model/openai/gpt-5.4").json()["data"]["id"] == "openai/gpt-5.4"
    assert client.http.get("/openrouter/api/v1/model/openai/gpt-0").status_code == 404


def test_a_key_knows_its_limit_and_only_a_management_key_the_credits(client: Client, connect: Connect) -> None:
    spent = client.answer("Hello")["usage"]["cost"]
    key = client.http.get("/openrouter/api/v1/key").json()["data"]

    assert key["usage"] == spent
    assert round(key["limit"] - key["limit_remaining"], 9) == round(spent, 9)
    assert client.http.get("/openrouter/api/v1/credits").status_code == 403
    managed = connect(client.url, MANAGEMENT_KEY).http.get("/openrouter/api/v1/credits").json()
    assert managed["data"]["total_credits"] > 0
