"""The legacy routes of Veo and Suno: their own requests, records and callbacks."""

from typing import Any

import pytest

from tests.sandbox.driving import Client, JsonObject, Mailbox, fetch, until
from tests.sandbox.media import look

SONG = {"prompt": "a song about rain", "customMode": False, "instrumental": False, "model": "V5"}
HOOK = "http://127.0.0.1:1/hook"


def veo(client: Client, **body: Any) -> JsonObject:
    return client.kie("POST", "veo/generate", json={"prompt": "a harbour at dusk"} | body)


def veo_record(client: Client, task_id: str) -> JsonObject:
    return dict(client.kie("GET", "veo/record-info", params={"taskId": task_id})["data"])


def veo_ended(client: Client, task_id: str) -> JsonObject:
    def look_on() -> JsonObject | None:
        record = veo_record(client, task_id)
        return record if record["successFlag"] else None

    return until(look_on, "the end of the film")


def suno(client: Client, **body: Any) -> JsonObject:
    return client.kie("POST", "generate", json=SONG | {"callBackUrl": HOOK} | body)


def suno_record(client: Client, task_id: str) -> JsonObject:
    return dict(client.kie("GET", "generate/record-info", params={"taskId": task_id})["data"])


def test_a_film(client: Client) -> None:
    before = client.kie("GET", "chat/credit")["data"]
    task_id = veo(client, model="veo3", duration=4)["data"]["taskId"]
    running = veo_record(client, task_id)
    record = veo_ended(client, task_id)
    seen = look(fetch(record["response"]["resultUrls"][0]).content)

    assert (running["successFlag"], running["response"]) == (0, None)
    assert (seen.size, seen.seconds, seen.codecs) == ((1280, 720), 4, ("h264", "aac"))
    assert (record["response"]["originUrls"], record["response"]["resolution"]) == (None, "720p")
    assert (record["errorCode"], record["fallbackFlag"]) == (None, False)
    assert before - client.kie("GET", "chat/credit")["data"] == 250


@pytest.mark.parametrize("spelling", ["aspect_ratio", "aspectRatio"])
def test_both_spellings_of_the_ratio(client: Client, spelling: str) -> None:
    record = veo_ended(client, veo(client, **{spelling: "9:16"}, duration=4)["data"]["taskId"])

    assert len(record["response"]["originUrls"]) == 1
    assert look(fetch(record["response"]["resultUrls"][0]).content).size == (720, 1280)


def test_the_larger_film_comes_later(client: Client) -> None:
    task_id = veo(client, duration=4)["data"]["taskId"]
    path, query = "veo/get-1080p-video", {"taskId": task_id, "index": 0}
    early = client.kie("GET", path, params=query)
    veo_ended(client, task_id)
    until(lambda: client.kie("GET", path, params=query)["code"] == 200)

    assert early["code"] in (400, 422)
    assert client.kie("GET", path, params=query)["data"]["resultUrl"].endswith(".mp4")


def test_a_film_that_fails(client: Client, mailbox: Mailbox) -> None:
    task_id = veo(client, prompt="[[sandbox:fail]]", callBackUrl=mailbox.url)["data"]["taskId"]
    record = veo_ended(client, task_id)
    until(lambda: mailbox.letters)

    assert (record["successFlag"], record["errorCode"], record["response"]) == (3, 501, None)
    assert mailbox.letters[0].body["code"] == 501
    assert mailbox.letters[0].body["data"] == {"taskId": task_id, "fallbackFlag": False}


def test_a_films_callback(client: Client, mailbox: Mailbox) -> None:
    task_id = veo(client, callBackUrl=mailbox.url)["data"]["taskId"]
    until(lambda: mailbox.letters)
    data = mailbox.letters[0].body["data"]

    assert data["taskId"] == task_id
    assert data["info"]["resultUrls"] == veo_ended(client, task_id)["response"]["resultUrls"]
    assert data["info"]["originUrls"] == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"prompt": ""}, "prompt: This field is required"),
        ({"model": "veo4"}, "model: must be one of veo3, veo3_fast, veo3_lite"),
        ({"model": "veo3", "generationType": "REFERENCE_2_VIDEO", "imageUrls": ["https://a.example/b.png"]},
         "REFERENCE_2_VIDEO is for veo3_fast and veo3_lite only"),
        ({"generationType": "FIRST_AND_LAST_FRAMES_2_VIDEO"}, "FIRST_AND_LAST_FRAMES_2_VIDEO takes 1 to 2 images"),
    ],
)
def test_films_that_are_refused(client: Client, body: JsonObject, complaint: str) -> None:
    answer = veo(client, **body)

    assert (answer["code"], complaint in answer["msg"]) == (500, True)


def test_a_song_in_its_stages(client: Client, mailbox: Mailbox) -> None:
    task_id = suno(client, prompt="rain [[sandbox:slow=0.4]]", callBackUrl=mailbox.url)["data"]["taskId"]
    seen: list[JsonObject] = []

    def look_on() -> bool:
        seen.append(suno_record(client, task_id))
        return str(seen[-1]["status"]) == "SUCCESS"

    until(look_on)
    until(lambda: len(mailbox.letters) == 3)
    stages = [letter.body["data"] for letter in mailbox.letters]
    songs = seen[-1]["response"]["sunoData"]

    statuses = list(dict.fromkeys(record["status"] for record in seen))
    assert statuses == ["PENDING", "TEXT_SUCCESS", "FIRST_SUCCESS", "SUCCESS"]
    assert [stage["callbackType"] for stage in stages] == ["text", "first", "complete"]
    assert {stage["task_id"] for stage in stages} == {task_id}
    assert [len(stage["data"]) for stage in stages] == [2, 1, 2]
    assert [song["audio_url"] for song in stages[2]["data"]] == [song["audioUrl"] for song in songs]
    assert [look(fetch(song["audioUrl"]).content).seconds for song in songs] == [song["duration"] for song in songs]


def test_a_song_that_fails(client: Client, mailbox: Mailbox) -> None:
    task_id = suno(client, prompt="[[sandbox:fail]]", callBackUrl=mailbox.url)["data"]["taskId"]
    until(lambda: mailbox.letters)
    record = suno_record(client, task_id)
    message = mailbox.letters[0].body

    assert (record["status"], record["errorCode"]) == ("GENERATE_AUDIO_FAILED", 408)
    assert (message["code"], message["data"]["callbackType"], message["data"]["data"]) == (501, "error", None)


def test_a_song_without_its_file(client: Client) -> None:
    task_id = suno(client, prompt="[[sandbox:no-file]]")["data"]["taskId"]
    until(lambda: suno_record(client, task_id)["status"] == "SUCCESS")

    assert suno_record(client, task_id)["response"]["sunoData"] == []


@pytest.mark.parametrize(
    ("body", "code", "complaint"),
    [
        ({"callBackUrl": ""}, 422, "Please enter callBackUrl"),
        ({"model": "V3"}, 500, "model: must be one of V3_5"),
        ({"customMode": True, "instrumental": True}, 500, "style: This field is required"),
        ({"customMode": True, "style": "pop", "title": "Rain", "prompt": ""}, 500, "prompt: This field is required"),
        ({"customMode": True, "style": "s" * 201, "title": "Rain", "model": "V4"}, 500, "style: must have at most 200"),
    ],
)
def test_songs_that_are_refused(client: Client, body: JsonObject, code: int, complaint: str) -> None:
    answer = suno(client, **body)

    assert (answer["code"], complaint in answer["msg"]) == (code, True)


def test_a_task_of_another_dialect_is_unknown(client: Client) -> None:
    task_id = veo(client)["data"]["taskId"]

    assert client.record(task_id)["msg"] == "recordInfo is null"
    assert client.kie("GET", "generate/record-info", params={"taskId": task_id})["code"] == 422
