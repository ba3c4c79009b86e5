"""Speech in both of Gemini's dialects against the stand-in, and what of its answers is speech."""

import base64
import io
import itertools
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.errors import Broken, Unclear
from app.providers.gemini import PCM_RATE, PRICES, Gemini, read_speech, speech_body
from app.providers.port import ProviderKey
from app.sandbox.server import running
from tests.sandbox.driving import FAST

TEXT = "Good morning, and welcome on board."
PCM = b"".join(value.to_bytes(2, "little", signed=True) for value in itertools.chain(range(-500, 500)))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with running(FAST) as url:
        yield url


@pytest.mark.parametrize("model", PRICES)
async def test_every_model_speaks_in_its_dialect(sandbox: str, tmp_path: Path, model: str) -> None:
    key = ProviderKey.of("a-key")
    async with httpx.AsyncClient(trust_env=False) as client:
        gemini = Gemini(client, base_url=f"{sandbox}/gemini", model=model, keys=(key,))
        lengths = []
        for number, style in enumerate(("", "Read slowly and clearly in English")):
            target = tmp_path / f"speech-{number}"
            ask = {"text": TEXT, "voice": "Kore", "style": style}
            answer = await gemini.call(key, ask, files={}, target=target)
            pcm = target.read_bytes()
            assert answer.has_file
            assert not pcm.startswith(b"RIFF")
            assert answer.output["audio_tokens"] == pytest.approx(25 * len(pcm) / 2 / PCM_RATE, abs=2)
            lengths.append(len(pcm))

    assert PCM_RATE < lengths[0] <= lengths[1]


@pytest.mark.parametrize("model", ["gemini-2.5-flash-preview-tts", "gemini-3.1-flash-tts-preview"])
def test_before_38_style_stands_before_the_text(model: str) -> None:
    body = speech_body(model, TEXT, "Kore", "Read slowly")

    assert body["contents"] == [{"role": "user", "parts": [{"text": f"Read slowly: {TEXT}"}]}]
    assert body["generationConfig"]["speechConfig"] == {
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}},
    }


@pytest.mark.parametrize("model", ["gemini-3.8-flash-tts", "gemini-3.10-flash-tts", "gemini-4-tts"])
def test_from_38_on_style_is_a_field_of_its_own(model: str) -> None:
    body = speech_body(model, TEXT, "Kore", "Read slowly")

    assert body["contents"][0]["parts"] == [{"text": TEXT, "speechMetadata": {"style": "Read slowly"}}]
    assert body["generationConfig"]["speechConfig"] == {"voiceConfig": {"voice": "Kore"}}
    assert speech_body(model, TEXT, "Kore", "")["contents"][0]["parts"] == [{"text": TEXT}]


def wav(*, rate: int = PCM_RATE, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(PCM)
    return file.getvalue()


def answer(data: bytes, mime: str = "audio/L16;codec=pcm;rate=24000", **candidate: Any) -> bytes:
    part = {"inlineData": {"mimeType": mime, "data": base64.b64encode(data).decode()}}
    return orjson.dumps({
        "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"} | candidate],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1},
    })


@pytest.mark.parametrize("content", [
    answer(PCM), answer(wav(), "audio/wav"),
    # What it is called says nothing: the bytes do.
    answer(wav()), answer(PCM, "audio/wav"), answer(PCM, ""), answer(PCM + b"\0"),
])
def test_sound_is_told_by_its_content(content: bytes) -> None:
    pcm, counts = read_speech(content)

    assert pcm == PCM
    assert (counts["prompt_tokens"], counts["audio_tokens"]) == (7, 1)


@pytest.mark.parametrize("content", [
    answer(wav(rate=48_000)), answer(wav(channels=2)), answer(wav()[:20]), answer(PCM, "audio/L16;rate=16000"),
    answer(bytes(2_000)), answer(b""), answer(PCM, finishReason="OTHER"), answer(PCM, content={"parts": []}),
    answer(PCM, content={"parts": [{"text": "I would rather write."}]}),
    answer(PCM, content={"parts": [{"inlineData": {"data": "no base64!"}}]}),
])
def test_what_is_no_whole_speech_is_a_failure_that_is_counted(content: bytes) -> None:
    with pytest.raises(Broken) as failure:
        read_speech(content)

    assert failure.value.counted["prompt_tokens"] == 7  # type: ignore[index]


def test_an_answer_that_cannot_be_read_is_no_answer() -> None:
    with pytest.raises(Unclear):
        read_speech(answer(PCM)[:-20])
