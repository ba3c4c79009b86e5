"""What single services promise beyond the common pattern: holds, checks, ownership, cancelling, callbacks, history."""

import io
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from PIL import Image

from app.catalog.loader import load_catalog
from app.embedded import Services
from tests.asking import Body, JsonObject, balance, created, ended, entries, exact, made, post, read
from tests.conftest import fresh_database
from tests.examples import make_file, real, serve, told
from tests.second_decoder import look_at
from tests.stack import NO_CERTIFICATES, Client, Stack, running_stack

CATALOG = load_catalog()
START = Decimal(100)
CANCELLABLE = ["kling-motion-control", "seedance-video", "sora2-character", "sora2-text-to-video", "sora2-video",
               "veo31-video"]
CALLED_BACK = ["kling-motion-control", "nano-banana", "seedance-video", "seedream", "sora2-video", "veo31-video"]
REMEMBERED = ["text-to-image", "text-to-music", "text-to-speech"]


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client(str(START))


def picture_of(width: int, height: int, form: str = "PNG", *, noisy: bool = False) -> bytes:
    """A black picture, or one of noise, which does not compress."""
    noise = os.urandom(width * height * 3) if noisy else bytes(width * height * 3)
    image = Image.frombytes("RGB", (width, height), noise)
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def task_of(stack: Stack, job_id: str) -> JsonObject:
    """The task of a job as the stand-in keeps it: model and input."""
    (attempt,) = stack.rows("SELECT task_id FROM job_attempts WHERE job_id = :id", id=job_id)
    key = stack.settings.kie_api_keys[0]
    answer = httpx.get(
        f"{stack.sandbox_url}/kie/api/v1/jobs/recordInfo", params={"taskId": attempt["task_id"]},
        headers={"Authorization": f"Bearer {key}"}, trust_env=False, verify=NO_CERTIFICATES,
    )
    param = orjson.loads(answer.json()["data"]["param"])
    return {"model": param["model"], "input": orjson.loads(param["input"])}


def fetched(url: str) -> bytes:
    return httpx.get(url, trust_env=False, verify=NO_CERTIFICATES).content


# --- Seedream is charged at completion ----------------------------------------------------------------------------


def test_seedream_is_set_aside_at_create(client: Client) -> None:
    answer = created(client, "/seedream/create", {"prompt": "a boat [[sandbox:slow=60]]"})
    credits = read(client, "/user/credits")

    assert answer["credits_used"] == 0
    assert (credits["credits_balance"], credits["available"]) == (100, 98.5)
    assert entries(client) == []
    assert read(client, f"/seedream/status/{answer['job_id']}")["credits_used"] == 0


def test_seedream_is_charged_at_completion(client: Client) -> None:
    status = made(client, "seedream", {"prompt": "a boat"})

    assert (status["credits_used"], balance(client)) == (1.5, Decimal("98.5"))
    assert [entry["amount"] for entry in entries(client)] == [-1.5]


def test_seedream_cannot_be_made_with_credits_that_are_set_aside(stack: Stack) -> None:
    poor = stack.client("2")
    created(poor, "/seedream/create", {"prompt": "a boat [[sandbox:slow=60]]"})

    answer = post(poor, "/seedream/create", {"prompt": "another boat"})

    assert (answer.status_code, answer.json()["required"], answer.json()["available"]) == (402, 1.5, 0.5)


# --- Kling is measured and checked during the create ----------------------------------------------------------------


def kling(
    stack: Stack, *, picture: bytes | None = None, film: str = "5", film_suffix: str = ".mp4", mode: str = "720p"
) -> Body:
    return {
        "mode": mode,
        "input_urls": [serve(stack, "dancer.png", picture or make_file(".png"))],
        "video_urls": [serve(stack, f"lasts-{film}{film_suffix}", make_file(film_suffix, film))],
    }


def test_kling_is_charged_by_the_measured_seconds_at_create(stack: Stack, client: Client) -> None:
    answer = created(client, "/kling-motion-control/create", kling(stack, film="4.2", mode="1080p"))

    assert answer["credits_used"] == 9.1
    assert balance(client) == START - Decimal("9.10")


def test_kling_repeated_with_its_key_measures_nothing_again(stack: Stack, client: Client) -> None:
    body = kling(stack)
    headers = {"Idempotency-Key": "once"}
    first, second = (
        client.http.post("/api/v1/kling-motion-control/create", json=body, headers=headers) for _ in range(2)
    )

    assert second.json()["job_id"] == first.json()["job_id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(entries(client)) == 1


KLING_REFUSED = {
    "short film": ({"film": "2"}, 422, "video_urls"),
    "long film": ({"film": "31"}, 422, "video_urls"),
    "film of another type": ({"film_suffix": ".avi"}, 422, "video_urls"),
    "small picture": ({"picture": picture_of(300, 400)}, 422, "input_urls"),
    "thin picture": ({"picture": picture_of(310, 800)}, 422, "input_urls"),
    "wide picture": ({"picture": picture_of(800, 310)}, 422, "input_urls"),
    "picture of another type": ({"picture": picture_of(400, 400, "WEBP")}, 422, "input_urls"),
    "no picture": ({"picture": b"<html>Not a picture</html>"}, 422, "input_urls"),
    "cut picture": ({"picture": picture_of(640, 640, noisy=True)[:5_000]}, 422, "input_urls"),
    "heavy picture": ({"picture": picture_of(2_200, 2_200, noisy=True)}, 413, "input_urls"),
}


@pytest.mark.parametrize("what", KLING_REFUSED)
def test_kling_refuses_files_that_the_model_cannot_use(stack: Stack, client: Client, what: str) -> None:
    wrong, status, field = KLING_REFUSED[what]
    answer = post(client, "/kling-motion-control/create", kling(stack, **wrong))  # type: ignore[arg-type]

    assert answer.status_code == status, answer.text
    assert answer.json()["message"].startswith(f"{field}: ")
    if status == 422:
        assert answer.json()["detail"][0]["loc"] == ["body", field]
    assert entries(client) == []


def test_kling_refuses_an_address_that_gives_no_file(stack: Stack, client: Client) -> None:
    body = {**kling(stack), "video_urls": [f"{stack.sandbox_url}/files/uploads/nothing.mp4"]}
    answer = post(client, "/kling-motion-control/create", body)

    assert answer.status_code == 422
    assert answer.json()["message"] == "video_urls: The URL answered with status 404."
    assert entries(client) == []


# --- Characters ---------------------------------------------------------------------------------------------------


def character(stack: Stack, client: Client, prompt: str = "Mali") -> JsonObject:
    film = serve(stack, "mali.mp4", make_file(".mp4"))
    return made(client, "sora2-character", {"character_file_url": film, "character_prompt": prompt})


def test_characters_are_listed_to_their_owner_newest_first(stack: Stack, client: Client) -> None:
    first, second = character(stack, client, "Mali"), character(stack, client, "Chai")
    made(client, "sora2-character", {
        "character_file_url": serve(stack, "a.mp4", make_file(".mp4")), "character_prompt": "[[sandbox:fail]]",
    })
    found = read(client, "/sora2-character/list")

    assert (found["success"], found["total"]) == (True, 2)
    assert [one["character_id"] for one in found["characters"]] == [second["character_id"], first["character_id"]]
    newest = found["characters"][0]
    assert set(newest) == {"character_id", "job_id", "character_prompt", "character_file_url", "created_at"}
    assert (newest["job_id"], newest["character_prompt"]) == (second["job_id"], "Chai")
    assert read(stack.client(), "/sora2-character/list") == {"success": True, "total": 0, "characters": []}


def test_own_character_plays_in_a_film(stack: Stack, client: Client) -> None:
    body = {
        "prompt": "She waves", "image_urls": [serve(stack, "a.png", make_file(".png"))],
        "character_id_list": [character(stack, client)["character_id"]],
    }
    status = made(client, "sora2-video", body)

    assert status["status"] == "completed"
    assert task_of(stack, status["job_id"])["input"]["character_id_list"] == body["character_id_list"]


@pytest.mark.parametrize("whose", ["someone else's", "nobody's"])
def test_character_that_is_not_owned_is_refused(stack: Stack, client: Client, whose: str) -> None:
    foreign = character(stack, stack.client())["character_id"] if whose == "someone else's" else "chr_000"
    body = {"prompt": "She waves", "image_urls": ["https://example.com/a.png"], "character_id_list": [foreign]}
    answer = post(client, "/sora2-video/create", body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "character_id_list"]
    assert entries(client) == []


def test_film_of_another_length_makes_no_character(stack: Stack, client: Client) -> None:
    status = made(client, "sora2-character", {"character_file_url": serve(stack, "a.mp4", make_file(".mp4", "5"))})

    assert (status["status"], status["character_id"]) == ("failed", None)
    assert status["error"] == "character_file_url: The film must have 1 to 4 seconds."
    assert balance(client) == START


# --- Inputs -------------------------------------------------------------------------------------------------------


def test_provider_gets_the_bytes_that_were_probed(stack: Stack, client: Client) -> None:
    content = picture_of(320, 200)
    status = made(client, "seedream", {"prompt": "a boat", "image_urls": [serve(stack, "a.png", content)]})
    (address,) = task_of(stack, status["job_id"])["input"]["image_urls"]

    assert fetched(address) == content
    assert status["message"] == "Job completed"


def test_file_of_our_own_is_an_input(stack: Stack, client: Client) -> None:
    first = made(client, "nano-banana", {"prompt": "a boat"})
    second = made(client, "seedream", {"prompt": "the same at night", "image_urls": [first["image_url"]]})
    (address,) = task_of(stack, second["job_id"])["input"]["image_urls"]

    assert fetched(address) == fetched(first["image_url"])


def test_file_beyond_what_the_provider_takes_is_made_anew(stack: Stack, client: Client) -> None:
    url = serve(stack, "a.gif", picture_of(320, 200, "GIF"))
    status = made(client, "seedream", {"prompt": "a boat", "image_urls": [url]})
    (address,) = task_of(stack, status["job_id"])["input"]["image_urls"]

    assert status["message"] == "image_urls: the file was made anew, within what the model takes."
    assert address.endswith(".jpg")
    assert look_at("image/jpeg", fetched(address)).width == 320


def test_quicktime_film_is_made_anew_for_a_character(stack: Stack, client: Client) -> None:
    film = serve(stack, "mali.mov", make_file(".mov"))
    status = made(client, "sora2-character", {"character_file_url": film})
    (address,) = task_of(stack, status["job_id"])["input"]["character_file_url"]

    assert address.endswith(".mp4")
    assert look_at("video/mp4", fetched(address)).seconds == pytest.approx(2, abs=0.1)


def test_input_that_cannot_be_fetched_fails_the_job_in_words(stack: Stack, client: Client) -> None:
    missing = f"{stack.sandbox_url}/files/uploads/nothing.png"
    status = made(client, "nano-banana", {"prompt": "a boat", "image_input": [missing]})

    assert (status["status"], status["error"]) == ("failed", "image_input: The URL answered with status 404.")
    assert [entry["type"] for entry in entries(client)] == ["refund", "debit"]


def test_conversion_is_named_at_create_and_after(stack: Stack, client: Client) -> None:
    pictures = [serve(stack, "a.png", make_file(".png")), "https://nobody.invalid/b.png"]
    body = {"prompt": "It turns", "image_urls": pictures, "n_frames": "20"}
    answer = created(client, "/sora2-video/create", body)
    status = ended(client, f"/sora2-video/status/{answer['job_id']}")

    assert answer["message"].startswith("Job created. image_urls: ")
    assert "n_frames: the model makes 15 seconds at most" in status["message"]
    # The second picture, which does not exist, was never asked for.
    assert status["status"] == "completed"


# --- Results ------------------------------------------------------------------------------------------------------


def test_veo_by_its_own_routes_tells_the_original_and_the_size(client: Client) -> None:
    status = made(client, "veo31-video", {"prompt": "a harbour", "aspect_ratio": "9:16"})

    assert (status["resolution"], status["origin_url"]) == ("720p", status["video_url"])


# --- Cancelling ---------------------------------------------------------------------------------------------------


def cancel(client: Client, service: str, job_id: str) -> httpx.Response:
    return post(client, f"/{service}/cancel/{job_id}", {})


@pytest.mark.parametrize("service_id", CANCELLABLE)
def test_job_is_cancelled_once_and_refunded(stack: Stack, client: Client, service_id: str) -> None:
    service = CATALOG[service_id]
    body = told(service, real(stack, service, service.examples[0]), "slow=60")
    job_id = created(client, service.create_path, body)["job_id"]

    assert cancel(client, service_id, job_id).json() == {"success": True, "message": "Job cancelled successfully"}
    assert cancel(client, service_id, job_id).json() == {"success": False, "message": "Job already cancelled"}
    assert cancel(stack.client(), service_id, job_id).status_code == 404
    status = read(client, f"/{service_id}/status/{job_id}")
    assert (status["status"], status["credits_used"], status["error"]) == ("cancelled", 0, None)
    assert balance(client) == START
    assert [entry["type"] for entry in entries(client)] == ["refund", "debit"]


def test_job_that_has_ended_is_not_cancelled(client: Client) -> None:
    body = {"prompt": "Waves", "duration": "4", "resolution": "480p"}
    done = made(client, "seedance-video", body)["job_id"]
    failed = made(client, "seedance-video", {**body, "prompt": "Waves [[sandbox:fail]]"})["job_id"]

    assert cancel(client, "seedance-video", done).json() == {"success": False, "message": "Job already completed"}
    assert cancel(client, "seedance-video", failed).json() == {"success": False, "message": "Job already failed"}
    assert cancel(client, "sora2-video", done).status_code == 404
    assert cancel(client, "seedance-video", str(uuid4())).status_code == 404


# --- Which services have which routes (contract 7) ------------------------------------------------------------------


def test_cancelling_callbacks_and_histories_are_as_the_contract_has_them() -> None:
    def having(flag: str) -> list[str]:
        return sorted(service.id for service in CATALOG.values() if getattr(service, flag))

    assert having("is_cancellable") == CANCELLABLE
    assert having("has_callback") == CALLED_BACK
    assert having("has_history") == REMEMBERED


@pytest.mark.parametrize("service_id", CATALOG)
def test_routes_that_a_service_does_not_have_do_not_exist(client: Client, service_id: str) -> None:
    service = CATALOG[service_id]
    if not service.is_cancellable:
        assert cancel(client, service_id, str(uuid4())).status_code == 404
    if not service.has_callback:
        assert post(client, f"/{service_id}/callback", {}).status_code == 404
    if not service.has_history:
        assert client.http.get(f"/api/v1/{service_id}/history").status_code == 404


@pytest.mark.parametrize("service_id", CALLED_BACK)
def test_callback_tells_a_stranger_nothing(stack: Stack, client: Client, service_id: str) -> None:
    service = CATALOG[service_id]
    body = told(service, real(stack, service, service.examples[0]), "slow=60")
    job_id = created(client, service.create_path, body)["job_id"]
    for content in (b"", b"{", b"[]", orjson.dumps({"data": {"taskId": job_id, "state": "success"}})):
        for secret in ("", "guess", job_id):
            answer = client.http.post(f"/api/v1/{service_id}/callback?secret={secret}", content=content)
            assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert read(client, f"/{service_id}/status/{job_id}")["status"] == "processing"


def test_histories_hold_own_jobs_newest_first(stack: Stack, client: Client) -> None:
    prompts = ["one", "two", "three"]
    for prompt in prompts:
        made(client, "text-to-image", {"prompt": prompt}, verb="generate")
    page = read(client, "/text-to-image/history?limit=2&offset=1")

    assert {name: page[name] for name in ("success", "total", "limit", "offset")} == {
        "success": True, "total": 3, "limit": 2, "offset": 1}
    assert [item["prompt"] for item in page["items"]] == ["two", "one"]
    assert all(item["status"] == "COMPLETED" and item["image_url"] for item in page["items"])
    assert read(stack.client(), "/text-to-image/history")["total"] == 0


# --- The jobs API, without a public address -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hidden_stack(services: Services, template: str) -> Iterator[Stack]:
    """A server that nobody can call back, that goes by the jobs API, and for which a model has another name."""
    renamed = {"z-image": "z-image-2"}
    with (
        fresh_database(services, template) as name,
        running_stack(services, name, public_url=None, kie_dialect="jobs", upstream_models=renamed) as stack,
    ):
        yield stack


def hurried(stack: Stack, client: Client, path: str) -> JsonObject:
    """The status of a job once it has ended, with every wait between polls cut short."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        stack.rows("UPDATE jobs SET next_step_at = now() WHERE ended_at IS NULL RETURNING id")
        status = read(client, path)
        if status["completed_at"] is not None:
            return status
        time.sleep(0.05)
    raise AssertionError(f"{path} did not end: {status}")


def test_music_by_the_jobs_api(hidden_stack: Stack) -> None:
    client = hidden_stack.client()
    job_id = created(client, "/text-to-music/generate", {"prompt": "Rain\nSun", "style": "pop"})["job_id"]
    status = hurried(hidden_stack, client, f"/text-to-music/status/{job_id}")
    task = task_of(hidden_stack, job_id)

    assert (status["status"], len(status["audio_urls"])) == ("COMPLETED", 2)
    assert status["audio_url"] == status["audio_urls"][0] != status["audio_urls"][1]
    assert task["model"] == "ai-music-api/generate"
    assert (task["input"]["model"], task["input"]["lyrics"]) == ("V4", "Rain\nSun")


def test_music_whose_addresses_come_plainly(hidden_stack: Stack) -> None:
    client = hidden_stack.client()
    job_id = created(client, "/text-to-music/generate", {"prompt": "a boat [[sandbox:plain-urls]]"})["job_id"]

    assert len(hurried(hidden_stack, client, f"/text-to-music/status/{job_id}")["audio_urls"]) == 2


def test_veo_by_the_jobs_api(hidden_stack: Stack) -> None:
    client = hidden_stack.client()
    answer = created(client, "/veo31-video/create", {"prompt": "a harbour", "seeds": 12345})
    status = hurried(hidden_stack, client, f"/veo31-video/status/{answer['job_id']}")

    assert "seeds: " in answer["message"]
    assert (status["status"], status["resolution"], status["credits_used"]) == ("completed", "720p", 15)
    assert task_of(hidden_stack, answer["job_id"])["model"] == "veo-3-1"


def test_veo3_is_refused_where_it_cannot_be_chosen(hidden_stack: Stack) -> None:
    client = hidden_stack.client()
    answer = post(client, "/veo31-video/create", {"prompt": "a harbour", "model": "veo3"})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "model"]
    assert entries(client) == []


def test_renamed_model_is_asked_for_by_its_new_name(hidden_stack: Stack) -> None:
    client = hidden_stack.client()
    job_id = created(client, "/text-to-image/generate", {"prompt": "a boat"})["job_id"]
    status = hurried(hidden_stack, client, f"/text-to-image/status/{job_id}")

    # The stand-in has no such model.
    assert (status["status"], status["error"]) == ("FAILED", "The provider refused the request")
    asked: list[dict[str, Any]] = hidden_stack.control("GET", "requests?model=z-image-2")["requests"]
    assert [one["answer"] for one in asked] == ["422"]
    assert exact(status["credits_used"]) == 0
