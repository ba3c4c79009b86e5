"""Embeddings, responses and web search of the OpenRouter stand-in."""

import base64
import json
import struct
from typing import Any

import httpx
import pytest

from app.sandbox import tokens
from tests.sandbox.driving import Client, JsonObject
from tests.sandbox.test_openrouter import WEATHER


def embed(client: Client, given: Any, **more: Any) -> httpx.Response:
    return client.http.post("/openrouter/api/v1/embeddings", json={"input": given} | more)


def respond(client: Client, **body: Any) -> httpx.Response:
    return client.http.post("/openrouter/api/v1/responses", json={"model": "openai/gpt-5.4"} | body)


def test_vectors_of_length_one_in_order(client: Client) -> None:
    body = embed(client, ["คลิปแรก", "คลิปที่สอง", "คลิปแรก"]).json()
    one, two, again = (item["embedding"] for item in body["data"])

    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    assert (len(one), one == again, one == two) == (4096, True, False)
    assert sum(part * part for part in one) == pytest.approx(1)
    assert body["usage"]["prompt_tokens"] == 2 * tokens.count("คลิปแรก") + tokens.count("คลิปที่สอง")
    assert body["usage"]["cost"] == pytest.approx(body["usage"]["prompt_tokens"] * 1e-8)


def test_base64_and_shorter_vectors(client: Client) -> None:
    plain = embed(client, "x", dimensions=32).json()["data"][0]["embedding"]
    packed = embed(client, "x", dimensions=32, encoding_format="base64").json()["data"][0]["embedding"]

    assert struct.unpack("<32f", base64.b64decode(packed)) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("given", "more", "status"),
    [
        ("", {}, 400), ([], {}, 400), (["a", ""], {}, 400), ("x", {"dimensions": 5000}, 400),
        ("x", {"model": "openai/gpt-5.4"}, 404), ("x", {"model": "nobody/none"}, 400),
        ("[[sandbox:fail]]", {}, 502), ("[[sandbox:code=529]]", {}, 529),
    ],
)
def test_embeddings_that_are_refused(client: Client, given: Any, more: JsonObject, status: int) -> None:
    response = embed(client, given, **more)

    assert (response.status_code, response.json()["error"]["code"]) == (status, status)


def test_other_kinds_of_input_and_the_list_of_models(client: Client) -> None:
    parts = [{"content": [{"type": "text", "text": "a cat"}]}]
    listed = client.http.get("/openrouter/api/v1/embeddings/models").json()["data"]

    assert len(embed(client, [1, 2, 3]).json()["data"]) == 1
    assert len(embed(client, parts).json()["data"]) == 1
    assert [model["id"] for model in listed] == ["qwen/qwen3-embedding-8b", "openai/text-embedding-3-small"]


def test_a_response(client: Client) -> None:
    body = respond(client, input="Hello", instructions="Be brief").json()
    text = body["output"][0]["content"][0]["text"]

    assert (body["object"], body["status"], body["id"][:5]) == ("response", "completed", "resp_")
    assert "Hello" in text
    assert body["usage"]["output_tokens"] == tokens.count(text)
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"]


def events(client: Client, **body: Any) -> list[JsonObject]:
    found = []
    with client.http.stream("POST", "/openrouter/api/v1/responses", json={"stream": True} | body) as response:
        try:
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    found.append(json.loads(line.removeprefix("data: ")))
                    assert found[-1]["type"] == name
        except httpx.RemoteProtocolError:
            found.append({"type": "BROKEN"})
    return found


def test_typed_events(client: Client) -> None:
    found = events(client, input="สวัสดี")
    kinds = list(dict.fromkeys(event["type"] for event in found))
    deltas = "".join(event["delta"] for event in found if event["type"] == "response.output_text.delta")
    final = found[-1]["response"]

    assert kinds == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert final["output"][0]["content"][0]["text"] == deltas
    assert final["usage"]["output_tokens"] == tokens.count(deltas)


def test_a_tool_in_a_response_and_its_result(client: Client) -> None:
    tool: JsonObject = {"type": "function", "name": "get_weather", "parameters": WEATHER}
    call = respond(client, input="get_weather", tools=[tool]).json()["output"][0]
    streamed = events(client, model="openai/gpt-5.4", input="get_weather", tools=[tool])
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "get_weather"}]},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "31 degrees"},
    ]
    answer = respond(client, input=items, tools=[tool]).json()["output"][0]

    assert (call["type"], call["name"]) == ("function_call", "get_weather")
    assert "city" in json.loads(call["arguments"])
    assert "response.function_call_arguments.done" in [event["type"] for event in streamed]
    assert "31 degrees" in answer["content"][0]["text"]


def test_responses_cut_short_and_broken(client: Client) -> None:
    short = respond(client, input="Hello", max_output_tokens=2).json()
    broken = events(client, input="Hello [[sandbox:break-stream=4]]")
    cut = events(client, input="Hello [[sandbox:cut-stream=4]]")
    silent = events(client, input="Hello [[sandbox:no-done]]")

    assert (short["status"], short["incomplete_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert (broken[-1]["type"], broken[-1]["response"]["status"]) == ("response.failed", "failed")
    assert cut[-1]["type"] == "BROKEN"
    assert silent[-1]["type"] == "response.output_item.done"


def test_a_response_in_a_schema(client: Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"format": {"type": "json_schema", "name": "n", "schema": schema}}
    body = respond(client, input="Hello", text=form).json()

    assert isinstance(json.loads(body["output"][0]["content"][0]["text"])["n"], int)


@pytest.mark.parametrize(
    "body", [{"input": ""}, {"input": []}, {"input": "x", "store": True}, {"input": "x", "previous_response_id": "r"}]
)
def test_responses_that_are_refused(client: Client, body: JsonObject) -> None:
    assert respond(client, **body).status_code == 400


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "openrouter:web_search", "parameters": {"engine": "auto"}}]},
        {"plugins": [{"id": "web", "max_results": 3}]},
        {"model": "openai/gpt-5.4:online"},
    ],
)
def test_a_search_is_cited_counted_and_charged(client: Client, more: JsonObject) -> None:
    plain = client.answer("Hello")
    found = client.answer("Hello", **more)
    message = found["choices"][0]["message"]
    citation = message["annotations"][0]["url_citation"]

    assert message["content"][citation["start_index"] : citation["end_index"]] == f"[example.com]({citation['url']})"
    assert found["usage"]["server_tool_use_details"]["web_search_requests"] == 1
    assert found["usage"]["cost_details"]["server_tool_cost"] == 0.01
    assert found["usage"]["cost"] > 0.01 > plain["usage"]["cost"]
    assert "annotations" not in plain["choices"][0]["message"]


def test_a_search_in_streams(client: Client) -> None:
    tools = [{"type": "web_search"}]
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, "tools": tools}
    chat = client.http.post("/openrouter/api/v1/chat/completions", json=body).text
    kinds = [event["type"] for event in events(client, input="Hello", tools=tools)]

    assert '"annotations":[{"type":"url_citation"' in chat
    assert "response.output_text.annotation.added" in kinds
