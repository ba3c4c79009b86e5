"""A chat request as the stand-in reads it."""

from dataclasses import dataclass
from typing import Any

import orjson

from app.sandbox import tokens
from app.sandbox.directives import without_directives
from app.sandbox.exchange import Refused
from app.sandbox.tasks import JsonObject

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


@dataclass(frozen=True)
class Message:
    """One message: its text, without directives, and how many pictures and other files it carries."""

    role: str
    text: str
    files: int = 0


@dataclass(frozen=True)
class Conversation:
    """What the model is given. `raw` is all text with its directives."""

    messages: tuple[Message, ...]
    raw: str
    tools: tuple[JsonObject, ...]
    tool_choice: Any
    answer_format: JsonObject
    limit: int | None
    reasons: bool
    shows_reasoning: bool
    searches: bool

    @property
    def last(self) -> Message:
        return self.messages[-1]

    @property
    def prompt_tokens(self) -> int:
        """All text, a little for each message, a fixed number for each picture, and the tools as JSON."""
        text = sum(tokens.count(message.text) + tokens.MESSAGE_TOKENS for message in self.messages)
        files = sum(message.files for message in self.messages) * tokens.IMAGE_TOKENS
        return text + files + (tokens.count(orjson.dumps(self.tools).decode()) if self.tools else 0)


def read(body: Any) -> Conversation:
    """The request. Raises Refused (400) when it is not one."""
    if not isinstance(body, dict):
        raise Refused(400, "The request body must be a JSON object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, 'Input required: specify "messages"')
    raw = [_read_message(message) for message in messages]
    reasons, shown = _reasoning(body)
    return Conversation(
        messages=tuple(Message(m.role, without_directives(m.text), m.files) for m in raw),
        raw="\n".join(message.text for message in raw),
        tools=tuple(_functions(body.get("tools"))),
        tool_choice=body.get("tool_choice", "auto"),
        answer_format=_object(body.get("response_format")),
        limit=_limit(body),
        reasons=reasons,
        shows_reasoning=shown,
        searches=searches_web(body),
    )


def _read_message(message: Any) -> Message:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise Refused(400, f"messages: each needs a role of {', '.join(sorted(ROLES))}")
    content = message.get("content")
    if isinstance(content, str):
        return Message(message["role"], content)
    if content is None and message["role"] == "assistant":
        return Message("assistant", orjson.dumps(message.get("tool_calls") or []).decode())
    if not isinstance(content, list) or not all(isinstance(part, dict) and "type" in part for part in content):
        raise Refused(400, "messages: content must be a string or a list of parts")
    texts = [str(part.get("text", "")) for part in content if part["type"] in TEXT_PARTS]
    return Message(message["role"], "\n".join(texts), len(content) - len(texts))


def _functions(listed: Any) -> list[JsonObject]:
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
        raise Refused(400, "tools must be a list of objects")
    functions = [tool.get("function") for tool in listed if tool.get("type") == "function"]
    if not all(isinstance(function, dict) and function.get("name") for function in functions):
        raise Refused(400, "tools: a function needs a name")
    return [function for function in functions if function]


def _limit(body: JsonObject) -> int | None:
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is None:
        return None
    if not isinstance(limit, int) or limit < 1:
        raise Refused(400, "max_tokens must be a whole number above 0")
    return limit


def _reasoning(body: JsonObject) -> tuple[bool, bool]:
    """Whether to reason, and whether to show it."""
    wanted = _object(body.get("reasoning"))
    effort = body.get("reasoning_effort") or wanted.get("effort")
    reasons = effort not in (None, "none") or bool(wanted.get("enabled") or wanted.get("max_tokens"))
    return reasons, not wanted.get("exclude")


def searches_web(body: JsonObject) -> bool:
    """Whether the web is to be searched: by the server's tool, by the plugin, or by the model's suffix."""
    tools = [tool for tool in body.get("tools") or [] if isinstance(tool, dict)]
    plugins = [plugin for plugin in body.get("plugins") or [] if isinstance(plugin, dict)]
    return (
        any("web_search" in str(tool.get("type")) for tool in tools)
        or any(plugin.get("id") == "web" and plugin.get("enabled", True) for plugin in plugins)
        or str(body.get("model")).endswith(":online")
    )


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
