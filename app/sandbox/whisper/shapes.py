"""The same hearing in the shapes of several servers (whisper-and-thai-subtitles.md 2, 4 and 5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from app.sandbox.tasks import JsonObject
from app.sandbox.whisper.hearing import NAMES, Segment, Word


@dataclass(frozen=True)
class Heard:
    """All there is to tell; `wants_words` when the request asked for word times."""

    segments: list[Segment]
    seconds: float
    language: str
    wants_words: bool

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> list[Word]:
        return [word for segment in self.segments for word in segment.words]


def together(heard: Heard) -> JsonObject:
    """Together: small segments, words at the top when asked for."""
    words = {"words": _words(heard.words)} if heard.wants_words else {}
    return {
        "text": heard.text,
        "language": heard.language,
        "duration": heard.seconds,
        "segments": _segments(heard),
        **words,
    }


def openai(heard: Heard) -> JsonObject:
    """OpenAI: the language's name, larger segments, usage."""
    more = {"seek": 0, "tokens": [50364, 1234, 50414], "temperature": 0.0, "avg_logprob": -0.21,
            "compression_ratio": 1.1, "no_speech_prob": 0.02}
    return together(heard) | {
        "task": "transcribe",
        "language": NAMES.get(heard.language, heard.language),
        "segments": [segment | more for segment in _segments(heard)],
        "usage": {"type": "duration", "seconds": int(heard.seconds + 0.999)},
    }


def whisper_cpp(heard: Heard) -> JsonObject:
    """whisper.cpp: words inside the segments, each with a space before it and a probability."""
    segments = [
        shown | {"words": [{"word": f" {word.text}", "start": word.start, "end": word.end, "probability": 0.9}
                           for word in segment.words]}
        for shown, segment in zip(_segments(heard), heard.segments, strict=True)
    ]
    return together(replace(heard, wants_words=False)) | {"task": "transcribe", "segments": segments}


def vllm(heard: Heard) -> JsonObject:
    """vLLM: the duration is a string, there are no words, and what is not known is -1."""
    unknown = {"avg_logprob": -1, "compression_ratio": -1, "no_speech_prob": None}
    return {"text": heard.text, "language": heard.language, "duration": str(heard.seconds),
            "segments": [segment | unknown for segment in _segments(heard)]}


def local_ai(heard: Heard) -> JsonObject:
    """LocalAI: segments alone, and null for the words."""
    return together(heard) | {"words": None}


SHAPES: dict[str, Callable[[Heard], JsonObject]] = {
    "together": together, "openai": openai, "whisper.cpp": whisper_cpp, "vllm": vllm, "localai": local_ai,
}


def _segments(heard: Heard) -> list[JsonObject]:
    return [
        {"id": number, "start": segment.start, "end": segment.end, "text": segment.text}
        for number, segment in enumerate(heard.segments)
    ]


def _words(words: Iterable[Word]) -> list[JsonObject]:
    return [{"word": word.text, "start": word.start, "end": word.end} for word in words]
