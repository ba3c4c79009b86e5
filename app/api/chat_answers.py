"""A chat completion as clients get it: flat, in OpenAI's form, or in chunks (contract 3.1 and 3.5)."""

from dataclasses import dataclass
from typing import Any

from app.api.event_stream import DONE, KEEP_ALIVE, frame
from app.api.openai_errors import openai_error_of
from app.errors import AppError
from app.providers.http import ANSWER_LIMIT_BYTES
from app.providers.openrouter_chat import ChunkReader, read_completion
from app.providers.openrouter_usage import Said, Usage
from app.providers.sse import Event
from app.services.replay_call import Answer

END = b"[DONE]"


@dataclass(frozen=True)
class ChatForm:
    """Chat completions under the name that the client knows the model by.

    `is_flat`: a whole answer is the contract's flat object instead of OpenAI's. `shows_usage`: a stream ends with a
    chunk that says what was used and charged.
    """

    model: str
    is_flat: bool
    shows_usage: bool
    limit_bytes: int = ANSWER_LIMIT_BYTES

    def read(self, content: bytes) -> Said:
        return read_completion(content)

    def write(self, answer: Answer) -> object:
        if not self.is_flat:
            head = {**answer.document, "model": self.model}
            return {**head, "usage": usage_of(answer.usage), "credits_used": answer.credits}
        choice = answer.document["choices"][0]
        return {
            "success": True, "id": answer.document["id"], "model": self.model, "message": flat_message(choice),
            "usage": counts_of(answer.usage), "credits_used": answer.credits, "finish_reason": choice["finish_reason"],
        }

    def teller(self, *, collects: bool) -> "ChatTeller":
        return ChatTeller(self, collects=collects)

    def retell(self, answer: Answer) -> bytes:
        head = {"id": answer.document["id"], "object": "chat.completion.chunk", "created": answer.document["created"],
                "model": self.model}
        choices = [
            {"index": choice["index"], "delta": delta_of(choice["message"]), "finish_reason": choice["finish_reason"]}
            for choice in answer.document["choices"]
        ]
        return frame({**head, "choices": choices}) + self.last_chunk(head, answer) + DONE

    def explain(self, error: AppError) -> bytes:
        return frame(openai_error_of(error))

    def last_chunk(self, head: dict[str, Any], answer: Answer) -> bytes:
        """What was used and charged, if the client wants to know it."""
        if not self.shows_usage:
            return b""
        return frame({**head, "choices": [], "usage": usage_of(answer.usage), "credits_used": answer.credits})


class ChatTeller:
    """Retells a stream chunk by chunk. See `app.api.language_calls.StreamTeller` for the promises."""

    def __init__(self, form: ChatForm, *, collects: bool) -> None:
        self._form = form
        self._collects = collects
        self._reader = ChunkReader(collects=collects)
        self.is_over = False

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    @property
    def is_whole(self) -> bool:
        return self._reader.finish_reason is not None

    def tell(self, event: Event) -> bytes:
        if not event.data:
            return KEEP_ALIVE
        if event.data == END:
            self.is_over = True
            return b""
        chunk = self._reader.read(event.data)
        return b"" if chunk is None else frame({**chunk, "model": self._form.model})

    def document(self) -> dict[str, Any]:
        return self._reader.document() if self._collects else {}

    def end(self, answer: Answer | None) -> bytes:
        if answer is None:
            return DONE
        return self._form.last_chunk({**self._reader.frame([]), "model": self._form.model}, answer) + DONE


def counts_of(usage: Usage) -> dict[str, int]:
    """The three counts."""
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens}


def usage_of(usage: Usage) -> dict[str, Any]:
    """The three counts and what they are made of."""
    return {**counts_of(usage), **usage.details}


def flat_message(choice: dict[str, Any]) -> dict[str, Any]:
    """A message whose content is text, whatever else it holds: clients of the flat answer print it."""
    message: dict[str, Any] = choice["message"]
    return {**message, "content": message["content"] or ""}


def delta_of(message: dict[str, Any]) -> dict[str, Any]:
    """A whole message as one delta: nothing is null, and tool calls are numbered."""
    delta = {name: value for name, value in message.items() if value is not None}
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(delta["tool_calls"])]
    return delta
