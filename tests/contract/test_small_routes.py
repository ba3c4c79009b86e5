"""The routes that make nothing, to the letter of contract 2.12, 4.2 and 5."""

import httpx

from app.catalog.entries.text_to_speech import TextToSpeechRequest
from tests.asking import created, ended
from tests.examples import make_file, serve
from tests.stack import Stack

VOICES = [
    "Zephyr", "Algenib", "Algieba", "Aoede", "Autonoe", "Callirrhoe", "Despina", "Erinome", "Fenrir", "Iapetus", "Kore",
    "Laomedeia", "Leda", "Orus", "Sadaltager", "Schedar", "Umbriel", "Vindemiatrix", "Zubenelgenubi",
]


def test_the_voices_are_told_to_anybody(stack: Stack) -> None:
    answer = httpx.get(f"{stack.api_url}/api/v1/text-to-speech/voices", trust_env=False)

    assert (answer.status_code, list(answer.json())) == (200, ["voices"])
    voices = answer.json()["voices"]
    assert sorted(voice["name"] for voice in voices) == sorted(VOICES)
    assert all(voice["description"].strip() for voice in voices)
    for voice in voices:
        assert TextToSpeechRequest(prompt="hello", voice=voice["name"]).voice == voice["name"]


def test_there_is_no_cache_to_clear_and_clearing_it_is_polite(stack: Stack) -> None:
    client = stack.client("10")

    answer = client.http.post("/api/v1/user/credits/invalidate-cache")

    assert (answer.status_code, answer.json()) == (200, {"success": True, "message": "Credit cache cleared"})
    assert client.http.get("/api/v1/user/credits").json()["cached"] is False


def test_the_queue_counts_ones_own_local_work(stack: Stack) -> None:
    client, stranger = stack.client("10"), stack.client("10")
    good, bad = serve(stack, "good.mp4", make_file(".mp4")), serve(stack, "bad.txt", b"no film")
    for url in (good, good, bad):
        job = created(client, "/media/extract-last-frame", {"video_url": url})
        ended(client, f"/media/status/{job['job_id']}")

    answer, other = (it.http.get("/api/v1/media/queue/stats").json() for it in (client, stranger))

    assert answer == {
        "success": True, "pending": 0, "processing": 0, "completed": 2, "failed": 1, "workers": answer["workers"],
    }
    assert answer["workers"] >= 1
    assert (other["completed"], other["failed"]) == (0, 0)
