"""Chat completions of OpenRouter, whole and in chunks, made plain: OpenAI's fields and no others (openrouter.md 2, 3).

What upstream says of itself (providers, costs, its own words) stays here; so does every null that a client might print.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from app.errors import Broken, Unclear
from app.providers.openrouter_errors import read_error_object
from app.providers.openrouter_usage import Said, Usage, read_usage

LOST = "The provider's answer was lost"
# What a message and a delta may hold beside `content`, which a message has always and a delta never as null.
FIELDS = ("role", "refusal", "reasoning", "reasoning_details", "tool_calls", "annotations", "images", "audio")
# Of these a stream brings pieces to be joined, of the others whole values.
TEXTS = ("content", "refusal", "reasoning")
LISTS = ("reasoning_details", "annotations", "images")


def read_completion(content: bytes) -> Said:
    """A whole answer, without `model` and `usage`.

    Raises Broken where the model gave up or said nothing, Unclear where the answer cannot be understood.
    """
    body = _object(content)
    if "error" in body:
        raise read_error_object(body["error"])
    with understanding(content):
        usage = read_usage(body.get("usage"))
        choices = [_whole_choice(choice) for choice in body["choices"]]
        if usage is None or not choices:
            raise ValueError("no usage or no choice")
        document = {
            "id": str(body.get("id") or ""), "object": "chat.completion", "created": int(body.get("created") or 0),
            "choices": choices,
        }
    refuse_nothing(usage, choices[0]["finish_reason"])
    return Said(document, usage)


def _whole_choice(choice: dict[str, Any]) -> dict[str, Any]:
    if choice.get("error") or choice.get("finish_reason") == "error":
        raise read_error_object(choice.get("error"))
    message = choice["message"]
    return {
        "index": choice.get("index", 0),
        "message": {"role": "assistant", "content": message.get("content"), **_fields(message)},
        "logprobs": choice.get("logprobs"),
        "finish_reason": choice.get("finish_reason"),
    }


class ChunkReader:
    """Reads the chunks of one stream. With `collects` it puts the whole answer together, too."""

    def __init__(self, *, collects: bool) -> None:
        self.id = ""
        self.created = 0
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self._message = _Message() if collects else None
        self._has_told = False

    def read(self, data: bytes) -> dict[str, Any] | None:
        """The chunk as a client may have it, without `model`; None if there is nothing in it for a client.

        Raises Broken for an error in mid-stream, Unclear for a chunk that cannot be understood.
        """
        chunk = _object(data)
        with understanding(data):
            choices: list[dict[str, Any]] = chunk.get("choices") or []
            if "error" in chunk or any(choice.get("finish_reason") == "error" for choice in choices):
                raise read_error_object(chunk.get("error"))
            self.usage = read_usage(chunk.get("usage")) or self.usage
            self.id = self.id or str(chunk.get("id") or "")
            self.created = self.created or int(chunk.get("created") or 0)
            told = [shown for choice in choices if (shown := self._tell(choice)) is not None]
        return self.frame(told) if told else None

    def frame(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """A chunk of this stream."""
        return {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "choices": choices}

    def document(self) -> dict[str, Any]:
        """The whole answer; the stream has ended."""
        assert self._message is not None
        choice = {"index": 0, "message": self._message.whole(), "logprobs": None, "finish_reason": self.finish_reason}
        return {"id": self.id, "object": "chat.completion", "created": self.created, "choices": [choice]}

    def _tell(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        given, finish_reason = choice.get("delta") or {}, choice.get("finish_reason")
        delta = _fields(given)
        if given.get("content"):
            delta["content"] = str(given["content"])
        # A null that comes with the usage must not overwrite the reason that came before.
        self.finish_reason = finish_reason or self.finish_reason
        if not finish_reason and not delta.keys() - {"role"}:
            return None
        if self._message is not None:
            self._message.add(delta)
        if not self._has_told:
            delta = {"role": "assistant", "content": ""} | delta
            self._has_told = True
        told = {"index": choice.get("index", 0), "delta": delta, "finish_reason": finish_reason}
        return told if choice.get("logprobs") is None else told | {"logprobs": choice["logprobs"]}


class _Message:
    """A message that grows by deltas: texts are joined, lists lengthened, tool calls put together by their index."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._calls: dict[int, dict[str, Any]] = {}

    def add(self, delta: Mapping[str, Any]) -> None:
        for name, value in delta.items():
            if name == "tool_calls":
                for call in value:
                    self._add_call(call)
            elif name in TEXTS:
                self._fields[name] = self._fields.get(name, "") + value
            elif name in LISTS:
                self._fields[name] = [*self._fields.get(name, ()), *value]
            elif name != "role":
                self._fields[name] = value

    def whole(self) -> dict[str, Any]:
        calls = {"tool_calls": [self._calls[index] for index in sorted(self._calls)]} if self._calls else {}
        return {"role": "assistant", "content": None, **self._fields, **calls}

    def _add_call(self, piece: Mapping[str, Any]) -> None:
        call = self._calls.setdefault(int(piece.get("index") or 0), {"function": {"name": "", "arguments": ""}})
        call |= {name: piece[name] for name in ("id", "type") if piece.get(name)}
        for name, text in (piece.get("function") or {}).items():
            call["function"][name] = call["function"].get(name, "") + text


def refuse_nothing(usage: Usage, finish_reason: object) -> None:
    """Raise Broken for an answer without a word and without an end: upstream does not bill it."""
    if usage.completion_tokens == 0 and not finish_reason:
        raise Broken("The provider gave an empty answer", detail=str(usage))


def _fields(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: message[name] for name in FIELDS if message.get(name)}


def _object(data: bytes) -> dict[str, Any]:
    with understanding(data):
        value = orjson.loads(data)
        if not isinstance(value, dict):
            raise TypeError("not an object")
        return value


@contextmanager
def understanding(data: bytes) -> Iterator[None]:
    """An answer of a shape that we do not know is one of unknown outcome."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # Its words are the client's, and not for our logs.
        raise Unclear(LOST, detail=f"{type(error).__name__} in {len(data)} bytes") from error
