"""A chat completion as a client asks for it (contract 3.1 and 3.5), and what of it is passed on.

Upstream gets the fields that are named here and no others: what would change the price behind our back (fallback
models, plugins, several choices, service tiers) is ignored like every unknown field.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

PASSED = (
    "messages", "temperature", "top_p", "top_k", "min_p", "top_a", "seed", "stop", "frequency_penalty",
    "presence_penalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format",
    "tool_choice", "parallel_tool_calls", "reasoning", "reasoning_effort", "include_reasoning", "verbosity",
)

# A token of text is at least a byte of it. A picture has no such bound: no model in use counts more for one.
IMAGE_TOKENS = 4_096
# Sound takes 32 tokens a second at most; the thinnest in use has 1,000 bytes a second, in base64.
AUDIO_BYTES_PER_TOKEN = 32

# What a search brings becomes part of the prompt, and the prompt is read again after each search.
SEARCHES_MOST = 3
SEARCH_RESULTS_MOST = 10
SEARCH_CHARACTERS = 2_000
SEARCH_TOOL = {
    "type": "openrouter:web_search",
    "parameters": {
        "engine": "auto", "max_results": 5, "max_total_results": SEARCH_RESULTS_MOST, "max_uses": SEARCHES_MOST,
        "max_characters": SEARCH_CHARACTERS,
    },
}


class Lenient(BaseModel):
    """Types are strict, unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


def _image_url(value: str) -> str:
    if value.startswith("data:image/"):
        return value
    address = urlsplit(value)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("must be an http(s) or data:image URL")
    return value


# The provider fetches it, not we.
ImageUrl = Annotated[str, Field(min_length=1), AfterValidator(_image_url)]


class TextPart(Lenient):
    type: Literal["text"]
    text: str


class RefusalPart(Lenient):
    type: Literal["refusal"]
    refusal: str


class ImageObject(Lenient):
    url: ImageUrl


class ImagePart(Lenient):
    type: Literal["image_url"]
    image_url: ImageObject


class AudioObject(Lenient):
    data: str = Field(min_length=1)
    format: str = Field(min_length=1, max_length=20)


class AudioPart(Lenient):
    type: Literal["input_audio"]
    input_audio: AudioObject


Part = Annotated[TextPart | RefusalPart | ImagePart | AudioPart, Field(discriminator="type")]


class ChatMessage(Lenient):
    """One message. Content may be missing only where the assistant called tools."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(min_length=1)] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content is missing")
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("tool_call_id is missing")
        return self


class FunctionObject(Lenient):
    name: str = Field(min_length=1, max_length=64)


class ChatTool(Lenient):
    """A function, or OpenAI's and OpenRouter's own names for a search in the web."""

    type: str
    function: FunctionObject | None = None

    @property
    def searches(self) -> bool:
        return is_search(self.type)

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.type == "function" and self.function is None:
            raise ValueError("function is missing")
        if self.type != "function" and not self.searches:
            raise ValueError("type must be 'function' or 'web_search'")
        return self


def is_search(tool_type: str) -> bool:
    """Whether a tool of this type searches the web."""
    return tool_type.startswith("web_search") or tool_type == "openrouter:web_search"


class StreamOptions(Lenient):
    include_usage: bool = False


Fraction = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Stop = Annotated[list[str], Field(max_length=4)]


class ChatRequest(Lenient):
    """A conversation to be continued."""

    messages: list[ChatMessage] = Field(min_length=1)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    web_search: bool | None = False
    web_search_options: dict[str, Any] | None = None
    tools: list[ChatTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    include_reasoning: bool | None = None
    verbosity: str | None = None
    top_p: Fraction | None = None
    min_p: Fraction | None = None
    top_a: Fraction | None = None
    top_k: int | None = Field(default=None, ge=0)
    seed: int | None = None
    stop: str | Stop | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: float | None = Field(default=None, ge=0, le=2)
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)

    @property
    def cap(self) -> int | None:
        """The most tokens of answer that the client wants."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def searches(self) -> bool:
        tools = any(tool.searches for tool in self.tools or ())
        return bool(self.web_search) or self.web_search_options is not None or tools


def chat_body(asked: ChatRequest, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What goes upstream, but for the model, the cap and the way of answering; `raw` is the body that was validated."""
    body = {name: raw[name] for name in PASSED if raw.get(name) is not None}
    tools = [tool for tool in raw.get("tools") or () if not is_search(tool["type"])]
    if asked.searches:
        tools.append(SEARCH_TOOL)
    return body | {"tools": tools} if tools else body


def prompt_bound(body: Mapping[str, Any], parts: Iterable[Mapping[str, Any]], *, searches: bool) -> int:
    """The most tokens that a body can be counted as: its bytes, with pictures and sound counted apart."""
    tokens = len(orjson.dumps(body))
    for part in parts:
        image, sound = part.get("image_url"), part.get("input_audio")
        if image is not None:
            url = image["url"] if isinstance(image, Mapping) else str(image)
            tokens += IMAGE_TOKENS - (len(url) if url.startswith("data:") else 0)
        if sound is not None:
            tokens += len(sound["data"]) // AUDIO_BYTES_PER_TOKEN - len(sound["data"])
    return (tokens + SEARCH_RESULTS_MOST * SEARCH_CHARACTERS) * (1 + SEARCHES_MOST) if searches else tokens


def chat_parts(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every part of every message that is written in parts."""
    contents = (message.get("content") for message in body["messages"])
    return [part for content in contents if isinstance(content, list) for part in content]
