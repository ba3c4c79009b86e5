"""A response as a client asks for it (contract 3.5), and what of it is passed on. Nothing is stored."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from app.catalog.language.chat import SEARCH_TOOL, Fraction, ImageUrl, Lenient, RefusalPart, is_search

PASSED = (
    "instructions", "temperature", "top_p", "tool_choice", "parallel_tool_calls", "reasoning", "text", "top_logprobs",
)


class ResponseText(Lenient):
    type: Literal["input_text", "output_text"]
    text: str


class ResponseImage(Lenient):
    type: Literal["input_image"]
    image_url: ImageUrl


Part = Annotated[ResponseText | RefusalPart | ResponseImage, Field(discriminator="type")]


class MessageItem(Lenient):
    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[Part], Field(min_length=1)]


class FunctionCallItem(Lenient):
    type: Literal["function_call"]
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: str


class FunctionOutputItem(Lenient):
    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1)
    output: str | list[ResponseText]


class EchoedItem(Lenient):
    """What an earlier answer had beside messages and function calls, sent back with the history."""

    type: Literal["reasoning", "web_search_call"]


class ResponseTool(Lenient):
    """A function, or a search in the web."""

    type: str
    name: str | None = Field(default=None, min_length=1, max_length=64)

    @property
    def searches(self) -> bool:
        return is_search(self.type)


Item = MessageItem | FunctionCallItem | FunctionOutputItem | EchoedItem


class ResponseRequest(Lenient):
    """Something to be answered."""

    input: str | Annotated[list[Item], Field(min_length=1)]
    model: str | None = Field(default=None, min_length=1, max_length=200)
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: Fraction | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    stream: bool | None = False
    tools: list[ResponseTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    previous_response_id: str | None = None

    @field_validator("tools")
    @classmethod
    def _tools_are_known(cls, tools: list[ResponseTool] | None) -> list[ResponseTool] | None:
        for tool in tools or ():
            if tool.type == "function" and tool.name is None:
                raise ValueError("a function needs a name")
            if tool.type != "function" and not tool.searches:
                raise ValueError("type must be 'function' or 'web_search'")
        return tools

    @field_validator("previous_response_id")
    @classmethod
    def _nothing_is_stored(cls, earlier: str | None) -> str | None:
        if earlier is not None:
            raise ValueError("responses are not stored: send the whole conversation as input")
        return earlier

    @property
    def searches(self) -> bool:
        return any(tool.searches for tool in self.tools or ())


def response_body(asked: ResponseRequest, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What goes upstream, but for the model, the cap and the way of answering; `raw` is the body that was validated."""
    body = {name: raw[name] for name in PASSED if raw.get(name) is not None}
    given = raw["input"]
    body["input"] = given if isinstance(given, str) else [_item(index, item) for index, item in enumerate(given)]
    tools = [tool for tool in raw.get("tools") or () if not is_search(tool["type"])]
    if asked.searches:
        tools.append(SEARCH_TOOL)
    return body | {"tools": tools} if tools else body


def _item(index: int, item: Mapping[str, Any]) -> dict[str, Any]:
    """Upstream wants of the assistant's own messages what OpenAI does not: an id, a status, and text in parts."""
    if item.get("role") != "assistant":
        return dict(item)
    content = item["content"]
    if isinstance(content, str):
        content = [{"type": "output_text", "text": content, "annotations": []}]
    return {"type": "message", "id": f"msg_{index}", "status": "completed", **item, "content": content}


def response_parts(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every part of every message that is written in parts."""
    items = body["input"] if isinstance(body["input"], list) else []
    contents = (item.get("content") for item in items)
    return [part for content in contents if isinstance(content, list) for part in content]
