"""The Gemini speech stand-in: both dialects, whole and streamed."""

import base64
import json
from typing import Any

import httpx
import pytest

from app.sandbox.config import INVALID_KEY
from tests.sandbox.driving import Client, Connect, JsonObject, fetch
from tests.sandbox.media import look

OLD, NEW = "gemini-2.5-flash-preview-tts", "gemini-3.8-flash-tts"
TEXT = "สวัสดีครับ ยินดีต้อนรับสู่รายการของเรา"
KORE: JsonObject = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}


def request(text: str = TEXT, speech: JsonObject = KORE, **config: Any) -> JsonObject:
    generation = {"responseModalities": ["AUDIO"], "speechConfig": speech} | config
    return {"contents": [{"parts": [{"text": text}]}], "generationConfig": generation}


def ask(client: Client, body: JsonObject, model: str = OLD, method: str = "generateContent") -> httpx.Response:
    key = client.http.headers["authorization"].removeprefix("Bearer ")
    path = f"/gemini/v1beta/models/{model}:{method}"
    return client.http.post(path, json=body, headers={"x-goog-api-key": key})


def speak(client: Client, body: JsonObject, model: str = OLD) -> tuple[str, bytes, JsonObject]:
    """The mime type, the audio and the whole answer."""
    response = ask(client, body, model)
    assert response.status_code == 200, response.text
    answer = dict(response.json())
    inline = answer["candidates"][0]["content"]["parts"][0]["inlineData"]
    return inline["mimeType"], base64.b64decode(inline["data"]), answer


def test_pcm_as_long_as_the_text(client: Client) -> None:
    mime, audio, answer = speak(client, request())
    usage = answer["usageMetadata"]

    assert mime == "audio/L16;codec=pcm;rate=24000"
    assert len(audio) == usage["candidatesTokenCount"] * 1920
    assert len(audio) / 48_000 == pytest.approx(len(TEXT) / 15, abs=0.05)
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert (answer["candidates"][0]["finishReason"], answer["modelVersion"]) == ("STOP", OLD)
    assert max(audio) > 0


def test_the_same_words_sound_the_same_in_one_voice_alone(client: Client) -> None:
    puck = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "puck"}}}

    assert speak(client, request())[1] == speak(client, request())[1]
    assert speak(client, request())[1] != speak(client, request(speech=puck))[1]


def test_the_newer_model_makes_wav_and_reads_metadata(client: Client) -> None:
    body = request(speech={"voiceConfig": {"voice": "Kore"}})
    body["contents"][0]["parts"][0]["speechMetadata"] = {"style": "warm"}
    mime, audio, answer = speak(client, body, NEW)
    seen = look(audio)

    assert (mime, audio[:4], seen.codecs) == ("audio/wav", b"RIFF", ("pcm_s16le",))
    assert seen.seconds == pytest.approx(answer["usageMetadata"]["candidatesTokenCount"] / 25, abs=0.01)


def test_names_in_snake_case_are_understood(client: Client) -> None:
    voice = {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}}
    body = {
        "contents": [{"parts": [{"text": TEXT}]}],
        "generation_config": {"response_modalities": ["audio"], "speech_config": voice},
    }

    assert speak(client, body)[1] == speak(client, request())[1]


def two_voices(spelling: str) -> JsonObject:
    def voice(name: str) -> JsonObject:
        return {"voice": name} if spelling == "voice" else {"prebuiltVoiceConfig": {"voiceName": name}}

    speakers = [
        {"speaker": "Nok", "voiceConfig": voice("Leda")},
        {"speaker": "Lek", "voiceConfig": voice("Puck")},
    ]
    return {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": speakers}}


def test_two_speakers_in_either_dialect_sound_alike(client: Client) -> None:
    old = request("Nok: ไปไหนมา\nLek: ไปตลาดมาครับ", two_voices("old"))
    new = request(speech=two_voices("voice"))
    new["contents"][0]["parts"] = [
        {"text": "ไปไหนมา", "speechMetadata": {"speaker": "Nok"}},
        {"text": "ไปตลาดมาครับ", "speechMetadata": {"speaker": "Lek"}},
    ]

    assert speak(client, new, NEW)[1].endswith(speak(client, old)[1])


def test_a_stream_joins_to_the_whole(client: Client) -> None:
    model = "gemini-3.1-flash-tts-preview"
    frames = [line for line in ask(client, request(), model, "streamGenerateContent").text.split("\n\n") if line]
    answers = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    parts = [answer["candidates"][0]["content"]["parts"][0]["inlineData"] for answer in answers]

    assert len(answers) > 3
    assert b"".join(base64.b64decode(part["data"]) for part in parts) == speak(client, request(), model)[1]
    assert ["usageMetadata" in answer for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert {part["mimeType"] for part in parts} == {"audio/l16; rate=24000; channels=1"}


@pytest.mark.parametrize(
    ("body", "model", "message"),
    [
        (request(speech={"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Bob"}}}), OLD, "Allowed voice names"),
        (request(speech={"voiceConfig": {"voice": "Bob"}}), NEW, "No matching speaker voice found for name: Bob"),
        (request(responseModalities=["TEXT"]), OLD, "response modalities (TEXT) is not supported"),
        (request() | {"systemInstruction": {"parts": []}}, OLD, "Developer instruction is not enabled"),
        (request(temperature=0.2), NEW, "Sampling parameters"),
        (request(speech=KORE | two_voices("old")), OLD, "mutually exclusive"),
        (request("คำ " * 8_200), OLD, "exceeds the maximum number of tokens"),
        ({"contents": []}, OLD, "contents is not specified"),
    ],
)
def test_what_is_refused(client: Client, body: JsonObject, model: str, message: str) -> None:
    response = ask(client, body, model)
    error = response.json()["error"]

    assert (response.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in error["message"]


def test_old_models_ignore_sampling(client: Client) -> None:
    assert speak(client, request(temperature=1.0))


def test_an_unknown_model_or_method(client: Client) -> None:
    for response in (ask(client, request(), "gemini-1-tts"), ask(client, request(), OLD, "predict")):
        assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_keys(client: Client, connect: Connect) -> None:
    bad = ask(connect(client.url, INVALID_KEY), request())
    bare = fetch(f"{client.url}/gemini/v1beta/models/{OLD}:generateContent", "POST")
    by_query = client.http.post(f"/gemini/v1/models/{OLD}:generateContent?key=k", json=request())

    assert (bad.status_code, bad.json()["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")
    assert (bare.status_code, by_query.status_code) == (403, 200)


@pytest.mark.parametrize(("code", "status"), [(500, "INTERNAL"), (503, "UNAVAILABLE"), (404, "NOT_FOUND")])
def test_faults_have_googles_words(client: Client, code: int, status: str) -> None:
    response = ask(client, request(f"{TEXT} [[sandbox:code={code}]]"))

    assert (response.status_code, response.json()["error"]["status"]) == (code, status)


def test_a_quota_error_with_and_without_the_time_to_wait(client: Client) -> None:
    plain = ask(client, request("[[sandbox:code=429]]")).json()["error"]
    timed = ask(client, request("[[sandbox:code=429]] [[sandbox:retry-after=1.5]]")).json()["error"]

    assert "details" not in plain
    assert [detail["retryDelay"] for detail in timed["details"] if "retryDelay" in detail] == ["1.5s"]


def test_good_answers_that_are_not_good(client: Client) -> None:
    def answer(word: str) -> JsonObject:
        return dict(ask(client, request(f"{TEXT} [[sandbox:{word}]]")).json())

    empty, text, blocked = answer("no-file"), answer("wrong-file"), answer("blocked")
    whole = speak(client, request(f"{TEXT} [[sandbox:tokens=1]]"))[1]

    assert (empty["candidates"][0]["content"], empty["candidates"][0]["finishReason"]) == ({}, "OTHER")
    assert empty["usageMetadata"]["candidatesTokenCount"] > 0
    assert list(text["candidates"][0]["content"]["parts"][0]) == ["text"]
    assert ("candidates" in blocked, blocked["promptFeedback"]["blockReason"]) == (False, "PROHIBITED_CONTENT")
    assert len(speak(client, request(f"{TEXT} [[sandbox:cut-file]]"))[1]) < len(whole) * 0.6
    assert set(speak(client, request(f"{TEXT} [[sandbox:silent]]"))[1]) == {0}
    assert ask(client, request(f"{TEXT} [[sandbox:fail]]")).status_code == 500


def test_tokens_voices_models_and_books(client: Client) -> None:
    counted = ask(client, request(), OLD, "countTokens").json()["totalTokens"]
    used = speak(client, request(f"{TEXT} mark"))[2]["usageMetadata"]
    voices = client.http.get("/gemini/v1beta/voices?key=k").json()["voices"]
    models = client.http.get("/gemini/v1beta/models?key=k").json()["models"]
    charges = [one for one in client.control("GET", "books")["charges"] if one["text"].endswith("mark")]
    cost = (0.5 * used["promptTokenCount"] + 10 * used["candidatesTokenCount"]) / 1e6

    assert counted == speak(client, request())[2]["usageMetadata"]["promptTokenCount"]
    assert (len(voices), len(models)) == (30, 5)
    assert [one["cost"] for one in charges] == [pytest.approx(cost)]
