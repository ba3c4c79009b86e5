"""The film and music models of the jobs API: what they accept, charge and make."""

import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from PIL import Image

from app.sandbox.media.films import render
from app.sandbox.media.pictures import draw
from app.sandbox.media.specs import Clip, Picture
from tests.sandbox.driving import Client, fetch, until
from tests.sandbox.media import look

IMAGE = "https://a.example/in.png"
SEEDANCE: dict[str, Any] = {"duration": 4, "aspect_ratio": "16:9"}
KLING: dict[str, Any] = {
    "input_urls": [IMAGE], "video_urls": ["https://a.example/in.mp4"], "character_orientation": "video",
}
SONG: dict[str, Any] = {"custom_mode": False, "instrumental": True, "model": "V5"}


@cache
def film(seconds: float) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "in.mp4"
        render(Clip(320, 240, seconds), file)
        return file.read_bytes()


@pytest.mark.parametrize(
    ("model", "values", "file", "credits"),
    [
        ("sora-2-text-to-video", {"aspect_ratio": "portrait", "n_frames": "15"}, (720, 1280, 15, True), 35),
        ("sora-2-image-to-video", {"aspect_ratio": "landscape", "image_urls": [IMAGE]}, (1280, 720, 10, True), 30),
        ("bytedance/seedance-1.5-pro", SEEDANCE, (1280, 720, 4, False), 14),
        ("bytedance/seedance-1.5-pro",
         SEEDANCE | {"resolution": "480p", "aspect_ratio": "21:9", "generate_audio": True}, (1120, 480, 4, True), 14),
        ("kling-2.6/motion-control", KLING | {"mode": "720p"}, (720, 1280, 5, True), 55),
        ("veo-3-1", {"aspect_ratio": "9:16", "duration": 4}, (720, 1280, 4, True), 60),
    ],
)
def test_every_film_model(
    client: Client, model: str, values: dict[str, Any], file: tuple[int, int, float, bool], credits: float
) -> None:
    task_id = client.task(model, **values)
    width, height, seconds, has_sound = file

    response = fetch(client.result_urls(task_id)[0])
    seen = look(response.content)

    assert response.headers["content-type"] == "video/mp4"
    assert (*seen.size, seen.seconds) == (width, height, seconds)
    assert seen.codecs == (("h264", "aac") if has_sound else ("h264",))
    assert seen.motion > 1
    assert client.finished(task_id)["creditsConsumed"] == credits


def test_sora_shows_progress_and_a_watermarked_copy(client: Client) -> None:
    task_id = client.task("sora-2-text-to-video", aspect_ratio="landscape", prompt="[[sandbox:slow=0.3]]")
    seen: list[int] = []

    def look_on() -> bool:
        data = client.record(task_id)["data"]
        seen.append(data["progress"])
        return str(data["state"]) == "success"

    until(look_on)
    result = json.loads(client.finished(task_id)["resultJson"])

    assert sorted(seen) == seen
    assert (len(set(seen)) > 2, seen[-1]) == (True, 100)
    assert [len(result[key]) for key in ("resultUrls", "resultWaterMarkUrls")] == [1, 1]


def test_two_tasks_never_have_the_same_bytes(client: Client) -> None:
    one, two = (client.task("veo-3-1", aspect_ratio="16:9", duration=4) for _ in range(2))
    files = [fetch(client.result_urls(task_id)[0]).content for task_id in (one, two)]

    assert files[0] != files[1]
    assert look(files[0]) == look(files[1])


def test_kling_makes_what_the_motion_film_and_the_picture_ask_for(client: Client) -> None:
    motion = client.upload("motion.mp4", film(4))
    portrait = client.upload("person.png", draw(Picture(400, 600, "person")))
    task_id = client.task(
        "kling-2.6/motion-control",
        input_urls=[portrait], video_urls=[motion], character_orientation="image", mode="1080p",
    )
    seen = look(fetch(client.result_urls(task_id)[0]).content)

    assert (seen.size, round(seen.seconds, 1)) == ((1080, 1620), 4)
    assert client.finished(task_id)["creditsConsumed"] == 72


def test_a_motion_film_that_is_too_short_is_refused(client: Client) -> None:
    answer = client.create("kling-2.6/motion-control", **KLING, mode="720p")
    short = client.create(
        "kling-2.6/motion-control", **KLING | {"video_urls": [client.upload("short.mp4", film(1))]}, mode="720p"
    )

    assert answer["code"] == 200
    assert (short["code"], short["msg"]) == (500, "video_urls: the video must have 3 to 30 seconds")


def test_a_character_has_an_id_and_no_file(client: Client) -> None:
    source = client.upload("me.mp4", film(1))
    first, second = (client.task("sora-2-characters", character_file_url=[source]) for _ in range(2))
    ids = [json.loads(client.finished(task_id)["resultJson"])["character_id"] for task_id in (first, second)]

    assert all(character.startswith("chr_") for character in ids)
    assert ids[0] != ids[1]
    assert client.create("sora-2-characters", character_file_url=[client.upload("long.mp4", film(5))])["code"] == 500


def test_music_as_a_job_gives_two_tracks(client: Client) -> None:
    record = client.finished(client.task("ai-music-api/generate", **SONG))
    tracks = json.loads(record["resultJson"])["data"]
    heard = [look(fetch(track["audio_url"]).content) for track in tracks]

    assert [one.codecs for one in heard] == [("mp3float",), ("mp3float",)]
    assert [one.seconds for one in heard] == [track["duration"] for track in tracks] == [20.0, 23.5]
    assert record["creditsConsumed"] == 12


def test_music_as_a_job_in_its_other_shape(client: Client) -> None:
    task_id = client.task("ai-music-api/generate", **SONG, prompt="[[sandbox:plain-urls]]")

    assert [url.endswith(".mp3") for url in client.result_urls(task_id)] == [True, True]


@pytest.mark.parametrize(
    ("model", "values", "complaint"),
    [
        ("sora-2-text-to-video", {"aspect_ratio": "square"}, "aspect_ratio: must be one of landscape, portrait"),
        ("sora-2-text-to-video", {"aspect_ratio": "portrait", "n_frames": "20"}, "n_frames: must be one of 10, 15"),
        ("sora-2-image-to-video", {"aspect_ratio": "portrait", "image_urls": [IMAGE] * 2}, "must have 1 to 1"),
        ("bytedance/seedance-1.5-pro", {"duration": "8"}, "duration: must be a number"),
        ("bytedance/seedance-1.5-pro", {"duration": 13}, "duration: must be 4 to 12"),
        ("kling-2.6/motion-control", KLING, "mode: This field is required"),
        ("veo-3-1", {"aspect_ratio": "16:9", "duration": 5}, "duration: must be one of 4, 6, 8"),
        ("veo-3-1", {"aspect_ratio": "16:9", "generation_type": "REFERENCE_2_VIDEO"}, "REFERENCE_2_VIDEO takes 1 to 3"),
        ("ai-music-api/generate", SONG | {"model": "V3"}, "model: must be one of"),
        ("ai-music-api/generate", SONG | {"prompt": "a" * 501}, "prompt: must have at most 500"),
        ("ai-music-api/generate", SONG | {"custom_mode": True, "style": "pop"}, "title: This field is required"),
        ("ai-music-api/generate", SONG | {"title": "t" * 81}, "title: must have 0 to 80"),
    ],
)
def test_what_is_refused(client: Client, model: str, values: dict[str, Any], complaint: str) -> None:
    answer = client.create(model, **values)

    assert (answer["code"], answer["data"]) == (500, None)
    assert complaint in answer["msg"]


def test_auto_follows_the_input_picture(client: Client) -> None:
    wide = client.upload("wide.png", draw(Picture(1600, 800, "wide")))
    task_id = client.task("nano-banana-2", aspect_ratio="auto", image_input=[wide])
    image = Image.open(io.BytesIO(fetch(client.result_urls(task_id)[0]).content))

    assert round(image.width / image.height, 1) == 2.0
