"""The Whisper stand-in: real multipart, real lengths, Thai in fragments."""

from typing import Any

import httpx
import pytest

from app.sandbox.config import INVALID_KEY
from app.sandbox.media import speech
from tests.sandbox.driving import Client, Connect, JsonObject

SOUND = speech.wav(speech.speak("text", "Kore", 25 * 7))
BOTH = ["word", "segment"]


def transcribe(client: Client, sound: bytes = SOUND, name: str = "clip.wav", **form: Any) -> httpx.Response:
    fields: dict[str, Any] = {"model": "openai/whisper-large-v3", "language": "th"} | form
    return client.http.post("/whisper/v1/audio/transcriptions", data=fields, files={"file": (name, sound, "audio/wav")})


def verbose(client: Client, shape: str = "together", **form: Any) -> JsonObject:
    options = {"response_format": "verbose_json", "timestamp_granularities[]": BOTH} | form
    return dict(transcribe(client, prompt=f"[[sandbox:shape={shape}]]", **options).json())


def test_plain_json_is_the_text_alone(client: Client) -> None:
    body = transcribe(client).json()

    assert list(body) == ["text"]
    assert "สวัสดีครับ" in body["text"]


def test_words_lie_inside_the_sound_and_join_to_the_text(client: Client) -> None:
    body = verbose(client)
    words = body["words"]

    assert (body["duration"], body["language"], len(body["segments"])) == (7.0, "th", 2)
    assert "".join(word["word"] for word in words) == "".join(segment["text"] for segment in body["segments"])
    assert all(0 <= word["start"] <= word["end"] <= 7 for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)


def test_thai_comes_in_fragments(client: Client) -> None:
    words = verbose(client)["words"]
    texts = [word["word"] for word in words]

    assert any(len(text) == 1 for text in texts)
    assert any(text.startswith(" ") for text in texts)
    assert any(word["start"] == word["end"] for word in words)
    assert not any(text[0] in "ัิีึืฺุู็่้๊๋์ํ๎" for text in texts)


def test_words_only_when_asked_for_by_the_name_with_brackets(client: Client) -> None:
    form: JsonObject = {"response_format": "verbose_json", "timestamp_granularities": BOTH}

    assert "words" in verbose(client)
    assert "words" not in transcribe(client, **form).json()


def test_english_unless_told_otherwise(client: Client) -> None:
    body = verbose(client, language="")

    assert (body["language"], body["text"][:5]) == ("en", "Hello")
    assert verbose(client, language="auto")["language"] == "th"


def test_the_shapes_of_other_servers(client: Client) -> None:
    openai, cpp, vllm, local = (verbose(client, shape) for shape in ("openai", "whisper.cpp", "vllm", "localai"))

    assert (openai["language"], openai["usage"]) == ("thai", {"type": "duration", "seconds": 7})
    assert ("words" in cpp, cpp["segments"][0]["words"][0]["word"][0]) == (False, " ")
    assert (vllm["duration"], "words" in vllm, vllm["segments"][0]["avg_logprob"]) == ("7.0", False, -1)
    assert local["words"] is None


@pytest.mark.parametrize(
    ("more", "status", "kind"),
    [
        ({"response_format": "srt"}, 400, "invalid_params"),
        ({"model": "openai/whisper-9"}, 400, "invalid_params"),
        ({"name": "clip.txt"}, 400, "unsupported_format"),
        ({"sound": b"no sound"}, 500, "processing_failed"),
        ({"prompt": "[[sandbox:fail]]"}, 500, "processing_failed"),
        ({"prompt": "[[sandbox:code=413]]"}, 413, "request_too_large"),
        ({"prompt": "[[sandbox:http=429]]"}, 429, "rate_limit"),
    ],
)
def test_what_is_refused(client: Client, more: dict[str, Any], status: int, kind: str) -> None:
    response = transcribe(client, **more)

    assert (response.status_code, response.json()["error"]["type"]) == (status, kind)


def test_an_address_is_not_fetched(client: Client) -> None:
    form = {"model": "openai/whisper-large-v3", "file": "http://127.0.0.1:1/clip.wav"}

    assert client.http.post("/whisper/v1/audio/transcriptions", data=form).status_code == 400


def test_keys_models_and_books(client: Client, connect: Connect) -> None:
    transcribe(client)
    models = client.http.get("/whisper/v1/models").json()
    key = client.http.headers["authorization"].removeprefix("Bearer ")
    total = next(one for one in client.control("GET", "books")["totals"] if one["key"] == key[:8] + "..." + key[-4:])
    bad = transcribe(connect(client.url, INVALID_KEY))

    assert (bad.status_code, bad.json()["error"]["code"]) == (401, "invalid_api_key")
    assert models[0]["type"] == "transcribe"
    assert (total["provider"], total["accepted"], total["cost"]) == ("whisper", 1, pytest.approx(0.0015 * 7 / 60))
