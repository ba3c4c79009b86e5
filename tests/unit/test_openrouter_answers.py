"""What OpenRouter's answers mean: verdicts of refusals, whole answers, chunks, usage, models. Odd ones included."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.errors import Broken, ProviderError, Rejected, Throttled, Unclear
from app.providers.openrouter_chat import ChunkReader, read_completion
from app.providers.openrouter_embeddings import as_base64, as_numbers, read_embeddings
from app.providers.openrouter_errors import read_error
from app.providers.openrouter_models import read_models
from app.providers.openrouter_responses import ResponseReader, read_response
from app.providers.openrouter_usage import read_generation, read_usage


def body(**error: Any) -> bytes:
    return orjson.dumps({"error": {"message": "secret words of the provider", **error}})


TYPED = {"metadata": {"error_type": "context_length_exceeded"}}
AVAILABILITY = {"error_type": "not_found", "http_status": 404, "availability": {"code": "model_deprecated"}}


@pytest.mark.parametrize(("status", "content", "verdict"), [
    (400, body(code=400), Rejected), (404, body(code=404), Rejected), (404, body(**AVAILABILITY), Rejected),
    (412, body(), Rejected), (413, body(), Rejected), (422, body(), Rejected),
    (401, body(), Throttled), (402, body(), Throttled), (429, body(), Throttled),
    (403, body(), Broken), (403, body(metadata={"reasons": ["violence"]}), Rejected),
    (403, body(metadata={"patterns": ["x"]}), Rejected),
    (500, body(), Broken), (502, body(), Broken), (503, body(), Broken), (529, body(), Broken),
    (408, body(), Unclear), (499, body(), Unclear), (504, body(), Unclear), (524, body(), Unclear),
    (418, body(), Unclear), (302, b"", Broken),
    (403, b"<html>Cloudflare</html>", Broken), (502, b"<html>", Unclear), (503, b"", Unclear), (500, b"[1]", Unclear),
    (500, b'{"error":"text"}', Unclear),
])
def test_verdicts_of_refusals(status: int, content: bytes, verdict: type[ProviderError]) -> None:
    error = read_error(status, {}, content)

    assert type(error) is verdict
    assert "secret" not in error.message
    assert str(status) in error.detail


@pytest.mark.parametrize(("status", "headers", "retry_after_s", "is_about_key"), [
    (401, {}, 300, True), (402, {}, 300, True), (402, {"retry-after": "20"}, 20, True),
    (429, {}, 10, False), (429, {"retry-after": "7"}, 7, False), (429, {"retry-after": "soon"}, 10, False),
    (429, {"retry-after": "99999"}, 120, False), (429, {"retry-after": "-1"}, 1, False),
])
def test_how_long_to_wait(status: int, headers: dict[str, str], retry_after_s: float, is_about_key: bool) -> None:
    error = read_error(status, headers, body())

    assert isinstance(error, Throttled)
    assert (error.retry_after_s, error.is_about_key) == (retry_after_s, is_about_key)


def test_what_a_client_said_is_not_in_the_operators_detail() -> None:
    quoted = body(code=403, metadata={"reasons": ["violence"], "flagged_input": "my secret", "provider_name": "P"})

    error = read_error(403, {}, quoted)

    assert "my secret" not in error.detail
    assert "'provider': 'P'" in error.detail


@pytest.mark.parametrize(("reason", "message"), [
    ("context_length_exceeded", "The conversation is too long for the model"),
    ("content_policy_violation", "The provider's content policy refused the request"),
    ("image_download_failed", "The provider could not use an image of the request"),
    ("unmapped", "The provider refused the request"),
])
def test_reasons_of_refusals(reason: str, message: str) -> None:
    assert read_error(400, {}, body(metadata={"error_type": reason})).message == message
    assert read_error(400, {}, body(error_type=reason)).message == message


USAGE = {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26, "cost": 0.000144, "is_byok": False,
         "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": None}, "cost_details": {"x": 1}}
MESSAGE = {"role": "assistant", "content": "Hello", "refusal": None, "reasoning": None}


def completion(**changed: Any) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "native_finish_reason": "end_turn", "logprobs": None,
              "message": MESSAGE}
    whole = {"id": "gen-1", "object": "chat.completion", "created": 5, "model": "a/b", "provider": "P",
             "system_fingerprint": None, "choices": [choice], "usage": USAGE}
    return orjson.dumps(whole | changed)


def test_a_whole_answer_is_made_plain() -> None:
    said = read_completion(completion())

    assert said.document == {"id": "gen-1", "object": "chat.completion", "created": 5, "choices": [{
        "index": 0, "message": {"role": "assistant", "content": "Hello"}, "logprobs": None, "finish_reason": "stop",
    }]}
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (20, 6)
    assert said.usage.cost == Decimal("0.000144")
    assert said.usage.details == {"prompt_tokens_details": {"cached_tokens": 0}}


@pytest.mark.parametrize(("content", "verdict"), [
    (b"", Unclear), (b"<html>", Unclear), (b"[]", Unclear), (b"{}", Unclear), (completion(usage=None), Unclear),
    (completion(choices=[]), Unclear), (completion(choices=["x"]), Unclear), (completion(choices=[{}]), Unclear),
    (completion(created="yesterday"), Unclear), (completion(usage={"prompt_tokens": "x"}), Unclear),
    (body(code=502), Broken),
    (completion(choices=[{"finish_reason": "error", "message": MESSAGE}]), Broken),
    (completion(choices=[{"finish_reason": None, "error": {"code": 502}, "message": MESSAGE}]), Broken),
    (completion(choices=[{"finish_reason": None, "message": MESSAGE}],
                usage={"prompt_tokens": 5, "completion_tokens": 0}), Broken),
])
def test_whole_answers_that_are_none(content: bytes, verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict):
        read_completion(content)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": finish, "logprobs": None}
    whole = {"id": "gen-1", "provider": "P", "object": "chat.completion.chunk", "created": 5, "model": "a/b",
             "choices": [choice]}
    return orjson.dumps(whole | more)


def read_all(*chunks: bytes, collects: bool = True) -> tuple[ChunkReader, list[dict[str, Any]]]:
    reader = ChunkReader(collects=collects)
    return reader, [told for data in chunks if (told := reader.read(data)) is not None]


@pytest.mark.parametrize("last", [
    chunk({"role": "assistant", "content": ""}, usage=USAGE), chunk({}, choices=[], usage=USAGE),
])
def test_a_stream_is_told_without_nulls_and_without_the_bill(last: bytes) -> None:
    reader, told = read_all(
        chunk({"role": "assistant", "content": None, "reasoning": None}), chunk({"content": "Hel", "refusal": None}),
        chunk({"content": "lo"}), chunk({"role": "assistant", "content": ""}, "stop"), last,
    )

    assert [it["choices"][0] for it in told] == [
        {"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None},
        {"index": 0, "delta": {"content": "lo"}, "finish_reason": None},
        {"index": 0, "delta": {"role": "assistant"}, "finish_reason": "stop"},
    ]
    assert all(it.keys() == {"id", "object", "created", "choices"} for it in told)
    assert reader.finish_reason == "stop"
    assert reader.usage is not None
    assert reader.usage.total_tokens == 26
    assert reader.document()["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}


def test_usage_in_the_last_chunk_of_text_does_not_hide_the_text() -> None:
    reader, told = read_all(chunk({"content": "x"}, "stop", usage=USAGE))

    assert told[0]["choices"][0]["delta"]["content"] == "x"
    assert reader.usage is not None


def test_pieces_of_tool_calls_are_put_together() -> None:
    def calls(*pieces: dict[str, Any]) -> bytes:
        return chunk({"content": None, "tool_calls": list(pieces)})

    reader, _ = read_all(
        calls({"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}),
        calls({"index": 0, "function": {"arguments": '{"a"'}}, {"index": 1, "id": "call_2", "type": "function",
                                                                "function": {"name": "g", "arguments": "{}"}}),
        calls({"index": 0, "function": {"arguments": ":1}"}}), chunk({}, "tool_calls"),
    )

    assert reader.document()["choices"][0]["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_reasoning_is_told_and_collected() -> None:
    reader, told = read_all(
        chunk({"reasoning": "Let me", "reasoning_details": [{"n": 1}]}), chunk({"reasoning": " see"}),
        chunk({"content": "4"}, "stop"),
    )

    message = reader.document()["choices"][0]["message"]
    assert told[0]["choices"][0]["delta"]["reasoning"] == "Let me"
    assert (message["reasoning"], message["reasoning_details"]) == ("Let me see", [{"n": 1}])


@pytest.mark.parametrize(("data", "verdict"), [
    (b'{"error":{"code":"server_error","message":"x"}}', Broken),
    (chunk({"content": ""}, "error", error={"code": 502, "message": "x"}), Broken), (chunk({}, "error"), Broken),
    (b'{"id":', Unclear), (b"5", Unclear), (b'{"choices":[5]}', Unclear), (chunk({}, created="x"), Unclear),
])
def test_chunks_that_end_a_stream_badly(data: bytes, verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict):
        ChunkReader(collects=True).read(data)


def test_searches_are_counted_under_either_name() -> None:
    for name in ("server_tool_use_details", "server_tool_use"):
        usage = read_usage({"prompt_tokens": 1, name: {"web_search_requests": 2}})
        assert usage is not None
        assert usage.searches == 2


@pytest.mark.parametrize("given", [None, {}, [], {"prompt_tokens": None}, {"prompt_tokens": "5"}])
def test_no_usage(given: object) -> None:
    assert read_usage(given) is None


@pytest.mark.parametrize("cost", ["NaN", -1, None, "x", float("inf")])
def test_costs_that_are_none(cost: object) -> None:
    usage = read_usage({"prompt_tokens": -5, "completion_tokens": -5, "cost": cost})

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cost) == (0, 0, None)


def test_the_record_of_a_call_counts_in_the_models_own_tokens() -> None:
    found = read_generation(orjson.dumps({"data": {
        "tokens_prompt": 20, "tokens_completion": 6, "native_tokens_prompt": 22, "native_tokens_completion": 7,
        "total_cost": 0.000144, "finish_reason": None, "cancelled": True,
    }}))

    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (22, 7)
    assert (found.usage.cost, found.has_failed) == (Decimal("0.000144"), False)


@pytest.mark.parametrize("record", [{"finish_reason": "error", "native_tokens_prompt": 5}, {"finish_reason": None}])
def test_the_record_of_a_call_that_failed(record: dict[str, Any]) -> None:
    assert read_generation(orjson.dumps({"data": record})).has_failed


@pytest.mark.parametrize("content", [b"", b"{}", b'{"data":null}', b'{"data":[]}', b"[]"])
def test_a_record_that_is_none_is_asked_for_again(content: bytes) -> None:
    with pytest.raises(Throttled):
        read_generation(content)


def model(**changed: Any) -> dict[str, Any]:
    return {"id": "a/b", "name": "B", "created": 5, "context_length": None,
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0.0000003", "completion": "0.0000025"}, "top_provider": {},
            "supported_parameters": None} | changed


def test_models_are_read_and_the_unreadable_left_out() -> None:
    listed = read_models(orjson.dumps({"data": [
        model(), {"id": 5}, "x", model(id="no/price", pricing=None), model(id="odd/price", pricing={"prompt": "free"}),
    ]}))

    assert [it.id for it in listed] == ["a/b"]
    assert listed[0].prices.completion == Decimal("0.0000025")
    assert listed[0].chats
    assert not listed[0].embeds


@pytest.mark.parametrize("pricing", [
    {"prompt": "-1", "completion": "-1"}, {"prompt": "0", "completion": "-1"}, {"prompt": "Infinity"},
    {"prompt": "0", "overrides": [{"min_prompt_tokens": 5, "prompt": "-1"}]},
])
def test_prices_that_cannot_be_known(pricing: dict[str, Any]) -> None:
    assert not any(it.prices.are_known for it in read_models(orjson.dumps({"data": [model(pricing=pricing)]})))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"data":5}', b"<html>"])
def test_a_list_that_is_none(content: bytes) -> None:
    assert read_models(content) == []


def vectors(*data: Any, **more: Any) -> bytes:
    return orjson.dumps({"data": list(data), "usage": {"prompt_tokens": 3, "total_tokens": 3}} | more)


def test_vectors_are_put_in_order_and_changed_into_either_form() -> None:
    said = read_embeddings(
        vectors({"index": 1, "embedding": [0.5, -1.0]}, {"index": 0, "embedding": as_base64([0.25, 2.0])}),
        count=2, dimensions=None,
    )

    assert [as_numbers(it) for it in said.document["vectors"]] == [[0.25, 2.0], [0.5, -1.0]]
    assert as_base64([0.25, 2.0]) == as_base64(as_base64([0.25, 2.0])) == "AACAPgAAAEA="


@pytest.mark.parametrize(("content", "dimensions", "verdict"), [
    (vectors({"embedding": [1.0]}), None, Broken), (vectors({"embedding": []}, {"embedding": []}), None, Broken),
    (vectors({"embedding": [1.0]}, {"embedding": [1.0, 2.0]}), None, Broken), (body(code=502), None, Broken),
    (vectors({"embedding": [1.0]}, {"embedding": [2.0]}), 5, Rejected),
    (vectors({}, {}), None, Unclear), (vectors({"embedding": 5}, {"embedding": 5}), None, Unclear),
    (vectors({"embedding": "?"}, {"embedding": "?"}), None, Unclear),
    (vectors({"embedding": [1.0]}, {"embedding": [2.0]}, usage=None), None, Unclear), (b"{", None, Unclear),
])
def test_vectors_that_are_none(content: bytes, dimensions: int | None, verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict):
        read_embeddings(content, count=2, dimensions=dimensions)


RESPONSE = {"id": "resp_1", "object": "response", "created_at": 5, "model": "a/b", "status": "completed", "error": None,
            "incomplete_details": None, "output": [{"type": "message"}],
            "usage": {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17, "cost": 0.0001}}


def test_a_response_keeps_its_own_fields_alone() -> None:
    said = read_response(orjson.dumps(RESPONSE))

    assert said.document == {"id": "resp_1", "created_at": 5, "completed_at": None, "status": "completed",
                             "incomplete_details": None, "output": [{"type": "message"}]}
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (12, 5)


@pytest.mark.parametrize(("changed", "verdict"), [
    ({"status": "failed"}, Broken), ({"error": {"code": "server_error"}}, Broken), ({"status": "cancelled"}, Broken),
    ({"usage": None}, Unclear), ({"output": None}, Unclear),
])
def test_responses_that_are_none(changed: dict[str, Any], verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict):
        read_response(orjson.dumps(RESPONSE | changed))


def test_events_of_both_families_are_told_by_openais_names() -> None:
    reader = ResponseReader()
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": RESPONSE, "sequence_number": 7},
        {"type": "response.content_part.delta", "delta": "x", "sequence_number": 8},
        {"type": "ping"},
        {"type": "response.done", "response": RESPONSE},
    ]

    told = [it for event in events if (it := reader.read(orjson.dumps(event))) is not None]

    assert [(it["type"], it["sequence_number"]) for it in told] == [
        ("response.created", 0), ("response.output_text.delta", 1),
    ]
    assert "model" not in told[0]["response"]
    assert reader.document is not None
    assert reader.usage is not None


@pytest.mark.parametrize(("event", "verdict"), [
    ({"type": "error", "message": "x"}, Broken), ({"type": "response.failed", "response": RESPONSE}, Broken),
    ({}, Unclear), ({"type": "response.completed"}, Unclear), ({"type": "response.created", "response": 5}, Unclear),
])
def test_events_that_end_a_stream_badly(event: dict[str, Any], verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict):
        ResponseReader().read(orjson.dumps(event))
