"""Every service of the catalogue over HTTP, against the stand-ins: what a client sends, gets, and pays."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

import httpx
import pytest

from app.api.example_answers import example_create, example_status
from app.catalog.loader import load_catalog
from app.catalog.model import Example, LocalWork, Service, UpstreamTask
from app.catalog.vocabulary import Vocabulary
from app.ledger import HoldKind
from tests.asking import Body, JsonObject, balance, created, ended, entries, exact, post
from tests.bad_values import bad_bodies
from tests.examples import real, serve, told
from tests.second_decoder import Look, look_at
from tests.stack import NO_CERTIFICATES, Client, Stack

Expected = Callable[[Body], Mapping[str, Look | None]]

CATALOG = load_catalog()
PROVIDED = [service for service in CATALOG.values() if isinstance(service.run, UpstreamTask)]
# A download needs a site that it may reach: test_video_download.py drives it on a stack of its own.
DRIVEN = [service for service in CATALOG.values() if service.id != "video-download"]
FED = [service for service in CATALOG.values() if isinstance(service.run, LocalWork) and service.inputs]
EXAMPLES = [
    pytest.param(service, example, id=f"{service.id}-{number}")
    for service in DRIVEN for number, example in enumerate(service.examples, 1)
]
START = Decimal(1000)
# What clients send although no service knows it.
UNKNOWN = {"no_such_field": {"a": [1]}, "fps": 30, "motion_effect": "zoom"}

each_service = pytest.mark.parametrize("service", CATALOG.values(), ids=CATALOG)
each_provided = pytest.mark.parametrize("service", PROVIDED, ids=[service.id for service in PROVIDED])


@pytest.fixture
def client(stack: Stack) -> Client:
    """Somebody with 1000 credits."""
    return stack.client(str(START))


def create(client: Client, service: Service, body: Body) -> JsonObject:
    """The answer to a create that must be accepted, checked against the contract (1.6)."""
    answer = created(client, service.create_path, body)
    word = {Vocabulary.UPPER: "PENDING", Vocabulary.UPPER_WITH_QUEUE: "PENDING"}.get(service.vocabulary, "processing")
    assert answer["success"] is True
    assert UUID(answer["job_id"])
    assert answer["task_id"] == answer["job_id"]
    assert answer["status"] == word
    assert answer["message"].startswith("Job created")
    assert set(answer) == set(example_create(service))
    return answer


def finish(client: Client, service: Service, body: Body) -> JsonObject:
    """The status of a job once it has ended."""
    return ended(client, service.status_path.format(job_id=create(client, service, body)["job_id"]))


@pytest.mark.parametrize(("service", "example"), EXAMPLES)
def test_example_is_made_and_charged_to_the_last_digit(
    stack: Stack, client: Client, service: Service, example: Example
) -> None:
    body = {**UNKNOWN, **real(stack, service, example)}
    status = finish(client, service, body)

    assert status["status"].lower() == "completed", status
    assert status["error"] is None
    assert status["processing_time_ms"] >= 0
    assert status["created_at"] <= status["completed_at"]
    assert "result_url" not in status
    assert "output_url" not in status
    assert set(status) == set(example_status(service))
    check_files(status, EXPECTED.get(service.id, anything)(body))
    price = used(stack, status) if is_priced_by_use(service) else Decimal(example.credits)
    check_charged(client, service, price, status)


def used(stack: Stack, status: JsonObject) -> Decimal:
    """The price of a speech: the text that the provider counted, and 25 tokens for each second that can be heard."""
    (attempt,) = stack.rows("SELECT output FROM job_attempts WHERE job_id = :id", id=status["job_id"])
    seconds = Decimal(str(look_at("audio/wav", fetched(status["audio_url"])).seconds))
    millionths = Decimal(attempt["output"]["prompt_tokens"]) * Decimal("17.5") + seconds * 25 * 350
    return (millionths / 1_000_000).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def is_priced_by_use(service: Service) -> bool:
    return service.hold is HoldKind.DEFERRED and service.id != "seedream"


def check_charged(client: Client, service: Service, price: Decimal, status: JsonObject) -> None:
    """One debit, of the price, named for the service and the job."""
    (debit,) = entries(client)
    assert (debit["type"], exact(debit["amount"]), exact(debit["balance_after"])) == ("debit", -price, START - price)
    assert (debit["service"], debit["job_id"]) == (service.id, status["job_id"])
    assert exact(status["credits_used"]) == price
    assert balance(client) == START - price


def check_files(status: JsonObject, expected: Mapping[str, Look | None]) -> None:
    """Every address in the status is a file that a second decoder accepts and that is what was asked for."""
    for field, look in expected.items():
        if look is None:
            assert status[field] is None
            continue
        for url in status[field] if isinstance(status[field], list) else [status[field]]:
            check_file(url, look)


def fetched(url: str) -> bytes:
    return httpx.get(url, trust_env=False, verify=NO_CERTIFICATES).content


def check_file(url: str, expected: Look) -> None:
    answer = httpx.get(url, trust_env=False, verify=NO_CERTIFICATES)
    assert answer.status_code == 200, url
    found = look_at(answer.headers["content-type"], answer.content)
    assert (found.video_codec, found.audio_codec) == (expected.video_codec, expected.audio_codec)
    if expected.width:
        assert found.ratio == pytest.approx(expected.ratio, rel=0.03)
        assert min(found.width, found.height) == pytest.approx(min(expected.width, expected.height), rel=0.1)
    if expected.seconds:
        assert found.seconds == pytest.approx(expected.seconds, abs=0.15)


# --- What each service's result must be, from the request -------------------------------------------------------

SIDES = {"1K": 1024, "2K": 2048, "3K": 3072, "4K": 4096}


def anything(_: Body) -> Mapping[str, Look | None]:
    return {}


def a_picture(ratio: object, size: str, form: str) -> Look:
    """A picture of about the area that its size names; the shape of an `auto` one is the model's to choose."""
    if ratio == "auto":
        return Look(form)
    wide, high = (int(part) for part in str(ratio).split(":"))
    side = SIDES[size]
    return Look(form, width=round(side * (wide / high) ** 0.5), height=round(side * (high / wide) ** 0.5))


def seedream(body: Body) -> Mapping[str, Look | None]:
    size = {"basic": "2K", "high": "3K"}[str(body.get("quality", "basic"))]
    return {"image_url": a_picture(body.get("aspect_ratio", "1:1"), size, "png")}


def nano_banana(body: Body) -> Mapping[str, Look | None]:
    form = {"jpg": "jpeg", "png": "png"}[str(body.get("output_format", "jpg"))]
    picture = a_picture(body.get("aspect_ratio", "1:1"), str(body.get("resolution", "1K")), form)
    return {"image_url": picture, "image_urls": picture}


def gpt_image(body: Body) -> Mapping[str, Look | None]:
    return {"image_url": a_picture(body.get("aspect_ratio", "auto"), str(body.get("resolution", "1K")), "png")}


SHORT_SIDES = {"480p": 480, "720p": 720, "1080p": 1080}
ORIENTATIONS = {"landscape": "16:9", "portrait": "9:16", "square": "1:1"}


def a_film(ratio: object, size: object, seconds: float, *, has_sound: bool = True) -> Look:
    """A film of so many seconds whose shorter side is that of its size."""
    wide, high = (int(part) for part in str(ratio).split(":"))
    short = SHORT_SIDES[str(size)]
    return Look(
        "h264", "aac" if has_sound else None, width=round(short * max(1, wide / high)),
        height=round(short * max(1, high / wide)), seconds=seconds,
    )


def sora(body: Body) -> Mapping[str, Look | None]:
    ratio = ORIENTATIONS[str(body.get("aspect_ratio", "landscape"))]
    return {"video_url": a_film(ratio, "720p", float(str(body.get("n_frames", "10"))))}


def seedance(body: Body) -> Mapping[str, Look | None]:
    seconds = float(str(body.get("duration", "8")))
    has_sound = bool(body.get("generate_audio"))
    film = a_film(body.get("aspect_ratio", "16:9"), body.get("resolution", "720p"), seconds, has_sound=has_sound)
    return {"video_url": film, "audio_url": Look(audio_codec="aac", seconds=seconds) if has_sound else None}


def kling(body: Body) -> Mapping[str, Look | None]:
    # The examples' films have 5 and 12 seconds; the picture is 3:4.
    seconds = 10 if body.get("character_orientation") == "image" else 5
    return {"video_url": a_film("3:4", body.get("mode", "720p"), seconds)}


def veo(body: Body) -> Mapping[str, Look | None]:
    film = a_film(body.get("aspect_ratio", "16:9"), "720p", 8)
    return {"video_url": film, "origin_url": film}


TRACK = Look(audio_codec="mp3")

# What the examples' files are (tests/examples.py).
FILM_S = SOUND_S = 2
CROSSFADE_S = 0.5


def a_joint_film(body: Body) -> Mapping[str, Look | None]:
    seconds = 2 * FILM_S - (CROSSFADE_S if body.get("transition") == "fade" else 0)
    return {"video_url": Look("h264", "aac", 320, 240, seconds)}


def a_joint_sound(body: Body) -> Mapping[str, Look | None]:
    return {"audio_url": Look(audio_codec="mp3", seconds=SOUND_S if body.get("mode") == "mix" else 2 * SOUND_S)}


def a_worked_film(_: Body) -> Mapping[str, Look | None]:
    return {"video_url": Look("h264", "aac", 320, 240, FILM_S)}


def a_frame(body: Body) -> Mapping[str, Look | None]:
    form = {"jpg": "jpeg", "png": "png"}[str(body.get("output_format", "png"))]
    return {"image_url": Look(form, width=320, height=240)}


def ken_burns(body: Body) -> Mapping[str, Look | None]:
    sound = "aac" if body.get("music_url") else None
    return {"video_url": Look("h264", sound, seconds=float(str(body["duration"])))}


EXPECTED: Mapping[str, Expected] = {
    "sora2-video": sora,
    "sora2-text-to-video": sora,
    "seedance-video": seedance,
    "kling-motion-control": kling,
    "veo31-video": veo,
    "image-to-video": ken_burns,
    "merge-video": a_joint_film,
    "merge-audio-video": a_worked_film,
    "merge-audio": a_joint_sound,
    "overlay-gif": a_worked_film,
    "extract-last-frame": a_frame,
    "thai-subtitle": a_worked_film,
    "text-to-speech": lambda _: {"audio_url": Look(audio_codec="pcm_s16le")},
    "text-to-music": lambda _: {"audio_url": TRACK, "audio_urls": TRACK},
    "text-to-image": lambda body: {"image_url": a_picture(body.get("aspect_ratio", "1:1"), "1K", "png")},
    "seedream": seedream,
    "nano-banana": nano_banana,
    "gpt-image-2-text-to-image": gpt_image,
    "gpt-image-2-image-to-image": gpt_image,
}


def test_every_service_that_makes_a_file_has_its_expectation() -> None:
    without_a_file = {"sora2-character", "transcribe"}
    assert {service.id for service in DRIVEN} - EXPECTED.keys() == without_a_file


# --- What goes wrong ------------------------------------------------------------------------------------------------


@each_provided
def test_failure_upstream_is_told_and_refunded(stack: Stack, client: Client, service: Service) -> None:
    example = service.examples[0]
    status = finish(client, service, told(service, real(stack, service, example), "fail"))

    assert status["status"].lower() == "failed"
    assert status["error"] == status["message"] == "The provider could not make it"
    assert status["credits_used"] == 0
    assert all(status[field.name] is None for field in service.results)
    assert balance(client) == START
    kinds = [(entry["type"], abs(exact(entry["amount"]))) for entry in entries(client)]
    price = Decimal(example.credits)
    assert kinds == ([] if service.hold is HoldKind.DEFERRED else [("refund", price), ("debit", price)])


@pytest.mark.parametrize("service", FED, ids=[service.id for service in FED])
def test_failure_of_local_work_is_told_and_refunded(stack: Stack, client: Client, service: Service) -> None:
    example = service.examples[0]
    field = service.inputs[0].field
    broken = serve(stack, f"no-{field}.txt", b"no medium at all")
    body = real(stack, service, example) | {field: [broken, broken] if field.endswith("s") else broken}
    if service.metered:
        # Its price is the length of the file, which is looked at before anything is held.
        refusal = post(client, service.create_path, body)
        assert (refusal.status_code, refusal.json()["error"]) == (422, "validation_error")
        assert entries(client) == []
        return
    status = finish(client, service, body)

    assert (status["status"], status["credits_used"]) == ("failed", 0)
    assert status["error"].startswith(f"{field}: The file ")
    price = Decimal(example.credits)
    assert [(entry["type"], abs(exact(entry["amount"]))) for entry in entries(client)] == [
        ("refund", price), ("debit", price),
    ]
    assert balance(client) == START


@pytest.mark.parametrize("directive", ["no-file", "wrong-file", "silent", "blocked", "fail", "http=400"])
def test_failed_speech_costs_nothing(stack: Stack, client: Client, directive: str) -> None:
    service = CATALOG["text-to-speech"]
    status = finish(client, service, told(service, real(stack, service, service.examples[0]), directive))

    assert (status["status"], status["credits_used"], status["audio_url"]) == ("FAILED", 0, None)
    assert status["error"]
    assert entries(client) == []
    assert balance(client) == START


@pytest.mark.parametrize("service_id", ["seedream", "sora2-character", "veo31-video", "text-to-music"])
def test_success_without_a_file_is_a_failure(stack: Stack, client: Client, service_id: str) -> None:
    """One service of each shape of results: files, a value alone, and the two other dialects."""
    service = CATALOG[service_id]
    status = finish(client, service, told(service, real(stack, service, service.examples[0]), "no-file"))

    assert status["status"].lower() == "failed"
    assert status["error"] == "The provider did not deliver a usable file"
    assert balance(client) == START


@each_service
def test_bad_values_are_refused_and_cost_nothing(stack: Stack, client: Client, service: Service) -> None:
    good = real(stack, service, service.examples[0])
    url_fields = {entry.field for entry in service.inputs}
    accepted = []
    for what, body in bad_bodies(service.request, good, url_fields):
        answer = post(client, service.create_path, body)
        if answer.status_code != 422:
            accepted.append(f"{what}: {answer.status_code} {answer.text[:200]}")
            continue
        refusal = answer.json()
        assert refusal["error"] == "validation_error"
        assert refusal["success"] is False
        assert refusal["detail"][0]["loc"][0] == "body", what
        assert refusal["message"].startswith(what.split(":")[0].split(" ")[0]), (what, refusal)

    assert accepted == []
    assert entries(client) == []
    assert balance(client) == START


@each_service
def test_dry_run_tells_the_price_and_holds_nothing(stack: Stack, client: Client, service: Service) -> None:
    example = service.examples[0]
    answer = post(client, f"{service.create_path}?dry_run=true", real(stack, service, example)).json()

    assert (answer["success"], answer["dry_run"]) == (True, True)
    if not is_priced_by_use(service):
        assert exact(answer["credits"]) == Decimal(example.credits)
    assert exact(answer["credits_balance"]) == exact(answer["available"]) == START
    assert entries(client) == []


@each_service
def test_who_cannot_pay_is_refused_before_anything(stack: Stack, service: Service) -> None:
    poor = stack.client("0")
    answer = post(poor, service.create_path, real(stack, service, service.examples[0]))

    refusal = answer.json()
    assert (answer.status_code, refusal["error"], refusal["credits_balance"]) == (402, "insufficient_credits", 0)
    assert refusal["required"] > 0
    assert entries(poor) == []
