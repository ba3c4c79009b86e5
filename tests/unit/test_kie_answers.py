"""What each of KIE's answers means: saved ones of every dialect, odd ones included (upstreams/kie.md)."""

from decimal import Decimal
from pathlib import Path

import pytest

from app.errors import Broken, ProviderError, Rejected, Throttled, Unclear
from app.providers.kie import DIALECTS
from app.providers.kie_wire import NOT_FETCHED, NOT_MADE, REFUSED_REQUEST, read_accepted, read_report, read_uploaded
from app.providers.port import Done, Failed, Missing, Outputs, Task, Verdict, Working

ANSWERS = Path(__file__).parent.parent / "answers" / "kie"
TASK_ID = "3f0c9a7be1d24c5f8a61b0d97c2e4410"
CALLBACK = "https://broker.example/hooks/kie/s3cret"


def answer(name: str) -> bytes:
    return (ANSWERS / f"{name}.json").read_bytes()


def made(*urls: str, cost: str | None = None, **values: str) -> Done:
    return Done(Outputs(urls=urls, values=values), cost=None if cost is None else Decimal(cost))


ACCEPTED = {"create-accepted": TASK_ID, "create-accepted-veo": "veo_task_1"}
NOT_ACCEPTED: dict[str, type[ProviderError]] = {
    "create-no-credits": Throttled,
    "create-bad-key": Throttled,
    "create-sub-key-limit": Throttled,
    "create-busy": Throttled,
    "create-maintenance": Throttled,
    "create-unknown-model": Rejected,
    "create-message-not-msg": Rejected,
    "create-picture-not-fetched": Rejected,
    "create-suno-conflict": Rejected,
    "create-parameter-as-500": Broken,
    "create-without-id": Unclear,
    "create-new-code": Unclear,
    "create-cut": Unclear,
    "create-web-page": Unclear,
}
REPORTS: dict[str, Verdict | None] = {
    "jobs-waiting": Working(is_generating=False),
    "jobs-generating-with-progress": Working(is_generating=True, progress=42),
    "jobs-progress-out-of-range": Working(is_generating=True),
    "jobs-success": made("https://tempfile.example/na2/out.jpeg", cost="8"),
    "jobs-success-fractional-credits": made("https://tempfile.example/z.png", cost="0.8"),
    "jobs-success-empty": made(),
    "jobs-success-broken-result": made(),
    "jobs-success-result-as-object": made("https://tempfile.example/na2/out.jpeg"),
    "jobs-success-sora": made("https://tempfile.example/s/clean.mp4"),
    "jobs-success-character": made(character_id="chr_001"),
    "jobs-success-music-urls": made("https://a.example/1.mp3", "https://a.example/2.mp3"),
    "jobs-success-music-tracks": made("https://a.example/1.mp3", "https://a.example/2.mp3"),
    "jobs-fail": Failed(NOT_MADE, detail="500: Internal server error", cost=Decimal(0)),
    "jobs-fail-refused": Failed(REFUSED_REQUEST, detail="422: Prompt violates the policy"),
    "jobs-unknown-task": Missing(),
    "jobs-not-found": Missing(),
    "jobs-new-state": None,
    "jobs-no-data": None,
    "jobs-busy": None,
    "jobs-cut": None,
    "veo-running": Working(is_generating=True),
    "veo-success-wide": made("https://tempfile.example/v/1.mp4", resolution="720p"),
    "veo-success-upright": made(
        "https://tempfile.example/v/1.mp4", "https://tempfile.example/v/1-origin.mp4", resolution="1080p"
    ),
    "veo-success-same-original": made("https://tempfile.example/v/1.mp4", resolution="720p"),
    "veo-success-urls-as-text": made("https://tempfile.example/v/1.mp4", resolution="720p"),
    "veo-success-empty": made(),
    "veo-failed": Failed(NOT_MADE, detail="501: Video generation failed"),
    "veo-failed-upstream": Failed(REFUSED_REQUEST, detail="400: PUBLIC_ERROR_PROMINENT_PEOPLE_FILTER_FAILED"),
    "veo-policy": Failed(REFUSED_REQUEST, detail="code 400"),
    "veo-picture-not-fetched": Failed(NOT_FETCHED, detail="code 451"),
    "veo-unknown-task": Missing(),
    "veo-new-flag": None,
    "suno-pending": Working(is_generating=False),
    "suno-text": Working(is_generating=True),
    "suno-first": Working(is_generating=True),
    "suno-success": made("https://a.example/1.mp3", "https://a.example/2.mp3"),
    "suno-success-one-without-sound": made("https://a.example/2.mp3"),
    "suno-success-empty": made(),
    "suno-create-failed": Failed(NOT_MADE, detail="CREATE_TASK_FAILED 400: ..."),
    "suno-audio-failed": Failed(NOT_MADE, detail="GENERATE_AUDIO_FAILED 408: ..."),
    "suno-callback-exception": Failed(NOT_MADE, detail="CALLBACK_EXCEPTION None: ..."),
    "suno-sensitive-word": Failed(REFUSED_REQUEST, detail="SENSITIVE_WORD_ERROR 400: ..."),
    "suno-new-status": None,
}
UPLOADS: dict[str, type[ProviderError]] = {
    "upload-refused": Rejected,
    "upload-without-address": Throttled,
    "upload-bad-key": Throttled,
}
KEY_TROUBLE = ["create-no-credits", "create-bad-key", "create-sub-key-limit"]


@pytest.mark.parametrize(("name", "task_id"), ACCEPTED.items())
def test_accepted_create_names_its_task(name: str, task_id: str) -> None:
    assert read_accepted(200, answer(name)) == task_id


@pytest.mark.parametrize(("name", "verdict"), NOT_ACCEPTED.items())
def test_create_that_was_not_accepted(name: str, verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict) as raised:
        read_accepted(200, answer(name))

    assert type(raised.value) is verdict
    assert isinstance(raised.value, Throttled) is (verdict is Throttled)
    assert getattr(raised.value, "is_about_key", False) is (name in KEY_TROUBLE)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(401, Throttled), (422, Rejected), (429, Throttled), (500, Unclear), (502, Unclear), (504, Unclear)],
)
def test_create_that_is_answered_without_an_envelope(status: int, verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict):
        read_accepted(status, answer("create-web-page"))


def test_accepted_in_words_under_another_status_is_not_believed() -> None:
    with pytest.raises(Unclear):
        read_accepted(502, answer("create-accepted"))


@pytest.mark.parametrize(("name", "verdict"), [(name, found) for name, found in REPORTS.items() if found])
def test_query_that_tells(name: str, verdict: Verdict) -> None:
    report = read_report(DIALECTS[name.partition("-")[0]], 200, answer(name))

    assert report.verdict == verdict
    if b"callBackUrl" in answer(name):
        assert report.callback_url == CALLBACK


@pytest.mark.parametrize("name", [name for name, found in REPORTS.items() if found is None])
def test_query_that_tells_nothing_is_asked_again(name: str) -> None:
    with pytest.raises(Throttled):
        read_report(DIALECTS[name.partition("-")[0]], 200, answer(name))


def test_record_under_another_http_status_is_not_believed() -> None:
    with pytest.raises(Throttled):
        read_report(DIALECTS["jobs"], 502, answer("jobs-success"))


def test_upload_gives_an_address() -> None:
    assert read_uploaded(200, answer("upload-accepted")) == "https://tempfile.example/kieai/100001/ref.jpg"


@pytest.mark.parametrize(("name", "verdict"), UPLOADS.items())
def test_upload_that_gives_none(name: str, verdict: type[ProviderError]) -> None:
    with pytest.raises(verdict):
        read_uploaded(200, answer(name))


def test_upload_that_a_proxy_refuses_is_refused() -> None:
    with pytest.raises(Rejected):
        read_uploaded(413, answer("upload-web-page"))


@pytest.mark.parametrize("name", ["jobs", "veo", "suno"])
def test_body_of_a_create(name: str) -> None:
    task = Task("some-model", {"prompt": "a boat"})
    fields = {"input": {"prompt": "a boat"}} if name == "jobs" else {"prompt": "a boat"}

    assert DIALECTS[name].body(task, CALLBACK) == {"model": "some-model", **fields, "callBackUrl": CALLBACK}
    if name != "suno":
        assert "callBackUrl" not in DIALECTS[name].body(task, None)


def test_every_saved_answer_is_read_here() -> None:
    known = ACCEPTED.keys() | NOT_ACCEPTED.keys() | REPORTS.keys() | UPLOADS.keys()
    saved = {path.stem for path in ANSWERS.iterdir()}

    assert saved - known == {"upload-accepted", "upload-web-page"}
