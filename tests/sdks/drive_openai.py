"""What a program does with OpenAI's Python SDK: `drive_openai.py BASE_URL KEY` prints what it saw as JSON.

It runs in a process of its own, under whichever generation of the SDK stands on its path.
"""

import json
import sys
from typing import Any

import httpx
import openai

PICTURE = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "find_weather", "parameters": {"type": "object"}}}


def main(base_url: str, key: str) -> dict[str, Any]:
    """Every kind of call, and what a program would use of each answer."""
    sdk: Any = openai  # Its types are those of the generation that the suite has.
    with httpx.Client(trust_env=False) as http, sdk.OpenAI(
        api_key=key, base_url=base_url, http_client=http, max_retries=0
    ) as client:
        return {
            "chat": chat(client), "stream": stream(client), "tools": tools(client), "vision": vision(client),
            "embeddings": embeddings(client), "responses": responses(client), "models": models(client),
            "refusal": refusal(client),
        }


def chat(client: Any) -> Any:
    answer = client.chat.completions.create(model="gpt-5.4", messages=[{"role": "user", "content": "Hello"}])
    return [answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.total_tokens > 0]


def stream(client: Any) -> Any:
    chunks = list(client.chat.completions.create(
        model="gpt-5.4", messages=[{"role": "user", "content": "สวัสดี"}], stream=True,
        stream_options={"include_usage": True},
    ))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return [text, len(chunks) > 2, chunks[-1].usage.total_tokens > 0]


def tools(client: Any) -> Any:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "call find_weather"}]
    first = client.chat.completions.create(model="gpt-5.4", messages=messages, tools=[TOOL]).choices[0]
    call = first.message.tool_calls[0]
    messages += [
        {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": {
            "name": call.function.name, "arguments": call.function.arguments}}]},
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny"},
    ]
    second = client.chat.completions.create(model="gpt-5.4", messages=messages, tools=[TOOL]).choices[0]
    return [first.finish_reason, call.function.name, second.message.content]


def vision(client: Any) -> Any:
    answer = client.chat.completions.create(model="gpt-5.4-vision", messages=[{"role": "user", "content": [
        {"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PICTURE}},
    ]}])
    return answer.choices[0].message.content


def embeddings(client: Any) -> Any:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    return [[item.index, len(item.embedding), isinstance(item.embedding[0], float)] for item in answer.data]


def responses(client: Any) -> Any:
    whole = client.responses.create(model="gpt-5.4", input="Hello", instructions="Be brief.")
    events = [event.type for event in client.responses.create(model="gpt-5.4", input="Hello", stream=True)]
    return [whole.output_text, whole.usage.output_tokens > 0, events[0], events[-1]]


def models(client: Any) -> Any:
    listed = [model.id for model in client.models.list()]
    return ["gpt-5.5" in listed, client.models.retrieve("google/gemini-3-flash-preview").owned_by]


def refusal(client: Any) -> Any:
    try:
        client.chat.completions.create(model="nobody/knows", messages=[{"role": "user", "content": "Hello"}])
    except openai.NotFoundError as error:
        return [error.status_code, error.code]
    return None


if __name__ == "__main__":
    json.dump({"version": openai.__version__, "saw": main(*sys.argv[1:])}, sys.stdout)
