"""What the stand-in answers: the same answer to the same conversation."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

import orjson

from app.sandbox import tokens
from app.sandbox.openrouter.conversation import Conversation
from app.sandbox.openrouter.schemas import example
from app.sandbox.tasks import JsonObject

THAI = re.compile("[\u0e00-\u0e7f]")
ECHOED = 600
PAGE = "https://example.com/news"
LINK = f"[example.com]({PAGE})"


@dataclass(frozen=True)
class ToolCall:
    """A function the model wants called, with its arguments as JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Citation:
    """A page found by a search, and where in the answer it is linked (characters)."""

    url: str
    title: str
    content: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All of an answer. `text` is in tokens; `finish_reason` is OpenRouter's word."""

    text: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    citations: tuple[Citation, ...] = ()
    finish_reason: str

    @property
    def tokens(self) -> int:
        """What is billed as completion."""
        calls = sum(tokens.count(call.name) + tokens.count(call.arguments) for call in self.tool_calls)
        return len(self.text) + len(self.reasoning) + calls


def answer(conversation: Conversation, *, length: int | None) -> Answer:
    """The answer; `length` tokens of text, if that is given."""
    reasoning = tuple(tokens.split(f"The user says: {conversation.last.text[:80]!r}. I shall repeat it."))
    reasoning = reasoning if conversation.reasons else ()
    if call := _tool_call(conversation):
        return Answer(reasoning=reasoning, tool_calls=(call,), finish_reason="tool_calls")
    text = tokens.split(_text(conversation))
    if length is not None:
        text = list(islice(_without_end(text), length))
    room = None if conversation.limit is None else max(1, conversation.limit - len(reasoning))
    if room is not None and len(text) > room:
        return Answer(text=tuple(text[:room]), reasoning=reasoning, finish_reason="length")
    citations = tuple(_citations("".join(text))) if conversation.searches else ()
    return Answer(text=tuple(text), reasoning=reasoning, citations=citations, finish_reason="stop")


def _without_end(text: list[str]) -> Iterator[str]:
    return cycle([*text, " "])


def _text(conversation: Conversation) -> str:
    match conversation.answer_format.get("type"):
        case "json_schema":
            schema = conversation.answer_format.get("json_schema", {}).get("schema", {})
            return orjson.dumps(example(schema)).decode()
        case "json_object":
            return orjson.dumps({"answer": _prose(conversation)}).decode()
        case _:
            return _prose(conversation)


def _citations(text: str) -> Iterator[Citation]:
    place = text.find(LINK)
    if place >= 0:
        yield Citation(PAGE, "Nothing much happened today", "An example.\n[...]\nNo more.", place, place + len(LINK))


def _prose(conversation: Conversation) -> str:
    source = f" ({LINK})" if conversation.searches else ""
    return _echo(conversation) + source


def _echo(conversation: Conversation) -> str:
    last = conversation.last
    said = last.text[:ECHOED]
    thai = bool(THAI.search(conversation.raw))
    if last.role == "tool":
        return f"เครื่องมือตอบว่า: {said}" if thai else f"The tool answered: {said}"
    seen = sum(message.files for message in conversation.messages)
    if thai:
        pictures = f" และเห็นภาพ {seen} ภาพ" if seen else ""
        return f"แซนด์บ็อกซ์ได้รับข้อความของคุณ{pictures}: {said}"
    pictures = f" and saw {seen} picture{'s' * (seen > 1)}" if seen else ""
    return f"The sandbox read your message{pictures}: {said}"


def _tool_call(conversation: Conversation) -> ToolCall | None:
    """A call when the request forces one, or when the user's last message names a tool."""
    chosen = _chosen_tool(conversation)
    if chosen is None:
        return None
    arguments = example(chosen.get("parameters") or {"type": "object"})
    digest = hashlib.sha256(conversation.raw.encode()).hexdigest()
    return ToolCall(f"call_{digest[:24]}", chosen["name"], orjson.dumps(arguments).decode())


def _chosen_tool(conversation: Conversation) -> JsonObject | None:
    choice, last = conversation.tool_choice, conversation.last
    if not conversation.tools or choice == "none":
        return None
    if isinstance(choice, dict):
        name = choice.get("function", choice).get("name")
        return next((tool for tool in conversation.tools if tool["name"] == name), None)
    if last.role != "user":
        return None
    named = (tool for tool in conversation.tools if _mentions(last.text.lower(), tool["name"].lower()))
    return next(named, conversation.tools[0] if choice == "required" else None)


def _mentions(text: str, name: str) -> bool:
    return name in text or name.replace("_", " ") in text
