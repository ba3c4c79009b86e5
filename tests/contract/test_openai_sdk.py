"""OpenAI's own Python SDK against each of the three bases that people configure (contract 3.4)."""

import base64
from collections.abc import Iterator

import openai
import pytest

from tests.stack import NO_CERTIFICATES, Stack

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not looked at").decode()
WEATHER: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture(params=["", "/v1", "/api/v1"])
def sdk(stack: Stack, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(verify=NO_CERTIFICATES, trust_env=False)
    with openai.OpenAI(
        api_key=stack.client("10").secret, base_url=stack.api_url + request.param, http_client=http, max_retries=0
    ) as client:
        yield client


def test_chat(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="gpt-5.4", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    )

    assert answer.choices[0].message.content == "The sandbox read your message: Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat_streamed(sdk: openai.OpenAI) -> None:
    chunks = list(sdk.chat.completions.create(
        model="gpt-5.4", messages=[{"role": "user", "content": "สวัสดี"}], stream=True,
        stream_options={"include_usage": True},
    ))

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "แซนด์บ็อกซ์ได้รับข้อความของคุณ: สวัสดี"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage is not None


def test_chat_with_a_tool(sdk: openai.OpenAI) -> None:
    tools: list[openai.types.chat.ChatCompletionToolUnionParam] = [
        {"type": "function", "function": {"name": "find_weather", "parameters": WEATHER}}
    ]
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "call find_weather"}]

    first = sdk.chat.completions.create(model="gpt-5.4", messages=messages, tools=tools).choices[0]
    assert first.message.tool_calls is not None
    call = first.message.tool_calls[0]
    messages += [
        first.message.to_dict(),  # type: ignore[list-item]  # As the SDK's own guide does it.
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny"},
    ]
    second = sdk.chat.completions.create(model="gpt-5.4", messages=messages, tools=tools).choices[0]

    assert first.finish_reason == "tool_calls"
    assert call.type == "function"
    assert call.function.name == "find_weather"
    assert second.message.content == "The tool answered: Sunny"


def test_chat_with_a_tool_streamed(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(
        model="gpt-5.4", messages=[{"role": "user", "content": "call find_weather"}],
        tools=[{"type": "function", "function": {"name": "find_weather", "parameters": WEATHER}}],
    ) as stream:
        final = stream.get_final_completion()

    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.arguments == '{"city":"example"}'


def test_vision(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="gpt-5.4-vision", messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/boat.jpg"}},
    ]}])

    assert answer.choices[0].message.content == "The sandbox read your message and saw 2 pictures: What is this?"


def test_structured_answers(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="gpt-5.4", messages=[{"role": "user", "content": "Where?"}],
        response_format={"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": WEATHER}},
    )

    assert answer.choices[0].message.content == '{"city":"example"}'


def test_embeddings(sdk: openai.OpenAI) -> None:
    answer = sdk.embeddings.create(model="text-embedding-3-small", input=["one", "two"])

    assert [item.index for item in answer.data] == [0, 1]
    assert {len(item.embedding) for item in answer.data} == {1_536}
    assert all(isinstance(number, float) for number in answer.data[0].embedding)


def test_responses(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(model="gpt-5.4", input="Hello", instructions="Be brief.")

    assert answer.output_text == "The sandbox read your message: Hello"
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0


def test_responses_streamed(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(model="gpt-5.4", input="Hello") as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()

    assert types[0] == "response.created"
    assert types[-1] == "response.completed"
    assert final.output_text == "The sandbox read your message: Hello"


def test_models(sdk: openai.OpenAI) -> None:
    assert "gpt-5.5" in {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve("google/gemini-3-flash-preview").owned_by == "google"


def test_refusals(stack: Stack, sdk: openai.OpenAI) -> None:
    hello: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]

    with pytest.raises(openai.NotFoundError, match="does not exist") as unknown:
        sdk.chat.completions.create(model="nobody/knows", messages=hello)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(model="gpt-5.4", messages=hello, temperature=3)
    with pytest.raises(openai.AuthenticationError):
        sdk.with_options(api_key="pk_unknown").models.list()
    with pytest.raises(openai.APIStatusError, match="Insufficient credits") as poor:
        sdk.with_options(api_key=stack.client("0").secret).chat.completions.create(model="gpt-5.4", messages=hello)
    assert poor.value.status_code == 402


def test_a_failure_in_mid_stream(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="The provider failed"):
        list(sdk.chat.completions.create(
            model="gpt-5.4", messages=[{"role": "user", "content": "Hello [[sandbox:break-stream=3]]"}], stream=True,
        ))
