"""A response as OpenAI's SDKs read it: an object, or typed events (contract 3.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.api.event_stream import KEEP_ALIVE, frame
from app.api.openai_errors import openai_error_of
from app.errors import AppError
from app.providers.http import ANSWER_LIMIT_BYTES
from app.providers.openrouter_responses import ResponseReader, read_response
from app.providers.openrouter_usage import Said, Usage
from app.providers.sse import Event
from app.services.replay_call import Answer

# What a response repeats of its request, and what it says where the request said nothing.
REPEATED: Mapping[str, Any] = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True, "reasoning": None,
    "temperature": None, "text": None, "tool_choice": "auto", "tools": [], "top_p": None,
}
END = b"[DONE]"


@dataclass(frozen=True)
class ResponseForm:
    """Responses under the name that the client knows the model by, repeating the request `raw`."""

    model: str
    raw: Mapping[str, Any]
    limit_bytes: int = ANSWER_LIMIT_BYTES

    def read(self, content: bytes) -> Said:
        return read_response(content)

    def write(self, answer: Answer) -> object:
        return self.charged(answer.document, answer)

    def teller(self, *, collects: bool) -> "ResponseTeller":
        return ResponseTeller(self)

    def retell(self, answer: Answer) -> bytes:
        begun = self.shown({**answer.document, "status": "in_progress", "output": []})
        events = [{"type": "response.created", "response": begun}, *_deltas(answer.document["output"])]
        frames = [_frame(event | {"sequence_number": number}) for number, event in enumerate(events)]
        return b"".join(frames) + self.last_event(answer.document, answer, number=len(events))

    def explain(self, error: AppError) -> bytes:
        told = openai_error_of(error)["error"]
        return _frame({"type": "error", "code": told["code"], "message": told["message"], "param": told["param"]})

    def shown(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """A response object that is not charged yet."""
        repeated = {name: usual if (said := self.raw.get(name)) is None else said for name, usual in REPEATED.items()}
        return {"object": "response", **response, "model": self.model, "error": None, "previous_response_id": None,
                "store": False, **repeated, "usage": None}

    def charged(self, response: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
        """The response object of an answer."""
        return self.shown(response) | {"usage": usage_of(answer.usage), "credits_used": answer.credits}

    def last_event(self, response: Mapping[str, Any], answer: Answer | None, *, number: int) -> bytes:
        """The end of a stream."""
        whole = self.shown(response) if answer is None else self.charged(response, answer)
        return _frame({"type": f"response.{response['status']}", "sequence_number": number, "response": whole})


class ResponseTeller:
    """Retells a stream event by event. See `app.api.language_calls.StreamTeller` for the promises."""

    def __init__(self, form: ResponseForm) -> None:
        self._form = form
        self._reader = ResponseReader()

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    @property
    def is_whole(self) -> bool:
        return self._reader.document is not None

    @property
    def is_over(self) -> bool:
        return self.is_whole

    def tell(self, event: Event) -> bytes:
        if not event.data:
            return KEEP_ALIVE
        told = None if event.data == END else self._reader.read(event.data)
        if told is None:
            return b""
        if "response" in told:
            told["response"] = self._form.shown(told["response"])
        return _frame(told)

    def document(self) -> dict[str, Any]:
        return self._reader.document or {}

    def end(self, answer: Answer | None) -> bytes:
        return self._form.last_event(self.document(), answer, number=self._reader.next_number)


def usage_of(usage: Usage) -> dict[str, Any]:
    """What was used, in the words of responses."""
    read = {"cached_tokens": 0, **usage.details.get("input_tokens_details", {})}
    written = {"reasoning_tokens": 0, **usage.details.get("output_tokens_details", {})}
    return {
        "input_tokens": usage.prompt_tokens, "input_tokens_details": read, "output_tokens": usage.completion_tokens,
        "output_tokens_details": written, "total_tokens": usage.total_tokens,
    }


def _deltas(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "response.output_text.delta", "item_id": item.get("id"), "output_index": index,
         "content_index": place, "delta": part.get("text", ""), "logprobs": []}
        for index, item in enumerate(output) if item.get("type") == "message"
        for place, part in enumerate(item.get("content") or ()) if part.get("type") == "output_text"
    ]


def _frame(event: Mapping[str, Any]) -> bytes:
    return frame(event, event=str(event["type"]))
