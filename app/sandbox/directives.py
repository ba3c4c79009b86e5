"""What a sandbox can be told to do wrong.

A directive stands in a prompt (or in any chat message) as `[[sandbox:NAME]]` or `[[sandbox:NAME=VALUE]]`; the control
route queues the same words, as `NAME` or `NAME=VALUE`, for the next requests of a model or route. A word that is not
in the table below, or a value of the wrong kind, is refused loudly: a test that misspells a fault must not pass.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, DecimalException
from functools import reduce
from typing import Any

from app.sandbox.saved_answers import names as saved_answers

MARK = re.compile(r"\[\[sandbox:([^\]=]*)(?:=([^\]]*))?\]\]")


class BadDirective(ValueError):
    """A directive that does not exist, or whose value cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """The deviations asked for; all off by default. The word is the field's name with dashes."""

    # The answer to the request itself. `code` and `http` refuse: nothing is made, nothing costs. The others break the
    # answer to work that was accepted.
    code: int | None = None  # the business code of the refusal (the HTTP status where a provider has no other)
    http: int | None = None  # the HTTP status of the refusal
    retry_after: float | None = None  # seconds, sent as the header with a refusal
    saved: str | None = None  # an answer from `saved/` in the place of any work
    bad_json: bool = False  # the answer is cut in the middle of its JSON
    stall: float | None = None  # seconds before the answer begins (a stream: in its middle, without keep-alives)
    lost_answer: bool = False  # the connection breaks without an answer; the callback still comes
    lost_answer_no_callback: bool = False  # the same, and no callback

    # The work
    fail: bool = False  # accepted, and failed at the end
    slow: float | None = None  # seconds the work takes (chat: before the first token)
    cost: Decimal | None = None  # what the work costs, in the provider's unit
    hidden: float | None = None  # seconds for which a query does not know the task yet

    # The result file
    no_file: bool = False  # success with an empty list of results
    wrong_file: bool = False  # a web page in the place of the media
    expired_file: bool = False  # the address answers 404
    cut_file: bool = False  # the connection breaks in the middle of the file

    silent: bool = False  # speech without a sound in it
    blocked: bool = False  # speech: the prompt is refused inside a good answer
    plain_urls: bool = False  # music as a job: `resultUrls` in the place of the list of tracks

    # Callbacks
    no_callback: bool = False
    duplicate_callback: bool = False
    late_callback: float | None = None  # seconds after the end
    forged_callback: bool = False  # at once, claims success with a file of someone else's

    # Transcripts
    shape: str | None = None  # of which server: `together`, `openai`, `whisper.cpp`, `vllm`, `localai`

    # Chat
    tokens: int | None = None  # the length of the answer
    break_stream: int | None = None  # an error after so many tokens; the stream ends
    cut_stream: int | None = None  # the connection breaks after so many tokens, inside a character where there is one
    no_done: bool = False  # the stream ends without [DONE]
    usage: str | None = None  # `empty`: the usage chunk has no choices; `none`: it does not come

    def __or__(self, other: "Directives") -> "Directives":
        """These, and the other's where it asks for something."""
        return Directives(**(self.asked() | other.asked()))

    def asked(self) -> dict[str, Any]:
        """Only what deviates, by field name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        # By identity: 0 seconds is a wish of its own, and equals False.
        return {name: value for name, value in values.items() if value is not None and value is not False}

    def words(self) -> list[str]:
        """As they would stand in a prompt: `parse_words` reads them back."""
        return [name.replace("_", "-") + ("" if value is True else f"={value}") for name, value in self.asked().items()]


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds <= 86_400:
        raise ValueError("between 0 and 86400")
    return seconds


def _status(value: str) -> int:
    status = int(value)
    if not 400 <= status <= 599:
        raise ValueError("between 400 and 599")
    return status


def _count(value: str) -> int:
    count = int(value)
    if not 0 <= count <= 1_000_000:
        raise ValueError("between 0 and 1000000")
    return count


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def _flag(value: str) -> bool:
    if value:
        raise ValueError("takes no value")
    return True


def _saved(value: str) -> str:
    if value not in saved_answers():
        raise ValueError(f"there is no saved answer {value}")
    return value


READERS: Mapping[str, Callable[[str], Any]] = {
    "code": _status, "http": _status, "retry-after": _seconds, "stall": _seconds, "slow": _seconds, "cost": Decimal,
    "hidden": _seconds, "saved": _saved,
    "late-callback": _seconds, "tokens": _count, "break-stream": _count, "cut-stream": _count,
    "usage": _one_of("empty", "none"), "shape": _one_of("together", "openai", "whisper.cpp", "vllm", "localai"),
}
NAMES = tuple(f.name.replace("_", "-") for f in fields(Directives))


def parse_word(word: str) -> Directives:
    """One directive, `NAME` or `NAME=VALUE`. Raises BadDirective."""
    name, _, value = word.partition("=")
    if name not in NAMES:
        raise BadDirective(f"unknown sandbox directive: {name}")
    try:
        return Directives(**{name.replace("-", "_"): READERS.get(name, _flag)(value)})
    except (ValueError, DecimalException) as error:
        raise BadDirective(f"sandbox directive {name}: {error}") from None


def parse_words(words: Iterable[str]) -> Directives:
    """Several directives at once; later ones win. Raises BadDirective."""
    return reduce(lambda found, word: found | parse_word(word), words, NONE)


def directives_in(text: str) -> Directives:
    """All directives that stand in a text. Raises BadDirective."""
    if "[[sandbox:" not in text:
        return NONE
    return parse_words(f"{name}={value}" if value else name for name, value in MARK.findall(text))


def without_directives(text: str) -> str:
    """The text as a model would read it."""
    return MARK.sub("", text).strip() if "[[sandbox:" in text else text


NONE = Directives()
