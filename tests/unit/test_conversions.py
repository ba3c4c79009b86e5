"""What the contract allows and a provider does not: each line of every entry's table (design 4.7)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from app.catalog.loader import load_catalog
from app.catalog.model import Form, InputFile, Inputs, Service, UpstreamTask
from app.catalog.rules import Rule, settle
from app.db.ids import new_id
from app.errors import Invalid
from app.media.probe import MediaInfo
from app.providers.port import Task

CATALOG = load_catalog()
A, B, C = (f"https://example.com/{name}.png" for name in "abc")
LONG = "la " * 200


@dataclass(frozen=True)
class Case:
    """A request, what is said of it, and what is sent. `is_refused`: nothing is sent."""

    service: str
    request: Mapping[str, object]
    says: str
    sends: Mapping[str, object] = field(default_factory=dict)
    is_legacy: bool = False
    is_refused: bool = False


def case(service: str, request: Mapping[str, object], says: str, *, is_legacy: bool = False, **sends: object) -> Case:
    return Case(service, {"prompt": "a boat", **request}, says, sends, is_legacy)


def refused(service: str, request: Mapping[str, object], says: str, *, is_legacy: bool = False) -> Case:
    return Case(service, {"prompt": "a boat", **request}, says, is_legacy=is_legacy, is_refused=True)


CASES = [
    case("seedream", {"prompt": "猫"}, "prompt: the model reads three", prompt="猫.."),
    *(
        case_
        for id_, extra in (("gpt-image-2-text-to-image", {}), ("gpt-image-2-image-to-image", {"input_urls": [A]}))
        for case_ in (
            refused(id_, {**extra, "aspect_ratio": "auto", "resolution": "2K"}, "aspect_ratio: auto is made at 1K"),
            refused(id_, {**extra, "resolution": "4K"}, "aspect_ratio: auto is made at 1K"),
            refused(id_, {**extra, "aspect_ratio": "1:1", "resolution": "4K"}, "aspect_ratio: 1:1 is made"),
            refused(id_, {**extra, "aspect_ratio": "5:4", "resolution": "2K"}, "aspect_ratio: 5:4 and 4:5"),
            refused(id_, {**extra, "aspect_ratio": "4:5", "resolution": "4K"}, "aspect_ratio: 5:4 and 4:5"),
        )
    ),
    case("sora2-video", {"image_urls": [A, B, C]}, "image_urls: the model starts from one", image_urls=[A]),
    case("sora2-video", {"image_urls": [A], "n_frames": "5"}, "n_frames: the model makes 10", n_frames="10"),
    case("sora2-video", {"image_urls": [A], "n_frames": "20"}, "n_frames: the model makes 15", n_frames="15"),
    case("sora2-video", {"image_urls": [A], "aspect_ratio": "square"}, "aspect_ratio: the model makes no square",
         aspect_ratio="landscape"),
    *(
        case_
        for old in (True, False)
        for name in ("imageUrls" if old else "image_urls",)
        for kind in ("generationType" if old else "generation_type",)
        for case_ in (
            refused("veo31-video", {"generation_type": "REFERENCE_2_VIDEO"}, "generation_type: this one needs",
                    is_legacy=old),
            refused("veo31-video", {"generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO"},
                    "generation_type: this one needs", is_legacy=old),
            case("veo31-video", {"generation_type": "TEXT_2_VIDEO", "image_urls": [A]}, "image_urls: TEXT_2_VIDEO uses",
                 is_legacy=old, **{name: None, kind: "TEXT_2_VIDEO"}),
            case("veo31-video", {"generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO", "image_urls": [A, B, C]},
                 "image_urls: a film between frames has two", is_legacy=old, **{name: [A, C]}),
        )
    ),
    case("veo31-video", {"model": "veo3", "image_urls": [A, B, C]}, "image_urls: a film between frames has two",
         is_legacy=True, imageUrls=[A, C], generationType="FIRST_AND_LAST_FRAMES_2_VIDEO"),
    refused("veo31-video", {"model": "veo3", "generation_type": "REFERENCE_2_VIDEO", "image_urls": [A]},
            "generation_type: REFERENCE_2_VIDEO is made by veo3_fast only", is_legacy=True),
    refused("veo31-video", {"model": "veo3"}, "model: this server reaches Veo"),
    case("veo31-video", {"seeds": 12345}, "seeds: the routes", seeds=None),
    *(
        case_
        for old in (True, False)
        for case_ in (
            case("text-to-music", {"model": "V3"}, "model: this version", is_legacy=old,
                 **({} if old else {"model": "V4"})),
            case("text-to-music", {"model": "V3_5", "style": "pop"}, "model: this version", is_legacy=old, style="pop"),
            case("text-to-music", {"style": "pop", "title": "T" * 81}, "title: the model reads 80", is_legacy=old,
                 title="T" * 80),
            case("text-to-music", {"instrumental": True, "style": "pop", "vocal_gender": "m"},
                 "vocal_gender: an instrumental piece has no voice", is_legacy=old,
                 **{"vocalGender" if old else "vocal_gender": None}),
            case("text-to-music", {"instrumental": True, "style": "pop"}, "prompt: an instrumental piece is described",
                 is_legacy=old, style="pop, a boat", prompt=None),
            case("text-to-music", {"instrumental": True, "prompt": LONG}, "prompt: a description has at most 500",
                 is_legacy=old, style=LONG[:200].strip(), prompt=None),
            case("text-to-music", {"instrumental": True, "prompt": LONG, "model": "V5"},
                 "prompt: a description has at most 500", is_legacy=old, style=LONG.strip()),
            case("text-to-music", {"prompt": LONG}, "so this is sung as the lyrics", is_legacy=old, style="song",
                 prompt=LONG),
            case("text-to-music", {"vocal_gender": "f"}, "vocal_gender: without a style", is_legacy=old,
                 prompt="a boat (female vocals)"),
            case("text-to-music", {"negative_tags": "drums"}, "negative_tags: without a style", is_legacy=old,
                 prompt="a boat (without drums)"),
            case("text-to-music", {"title": "Boat"}, "title: the model reads it with a style only", is_legacy=old,
                 title=None, prompt="a boat"),
            case("text-to-music", {"prompt": "x" * 500, "vocal_gender": "m"},
                 "vocal_gender: the model reads it with a style only", is_legacy=old, prompt="x" * 500),
            case("text-to-music", {"prompt": "x" * 500, "negative_tags": "drums"},
                 "negative_tags: the model reads it with a style only", is_legacy=old, prompt="x" * 500),
            case("text-to-music", {"style_weight": 0.9}, "style_weight: the model reads the weights", is_legacy=old,
                 **{"styleWeight" if old else "style_weight": None}),
        )
    ),
]


def form_of(service: Service, *, is_legacy: bool) -> Form:
    assert isinstance(service.run, UpstreamTask)
    form = service.run.legacy if is_legacy else service.run.form
    assert form is not None
    return form


def handed_up(service: Service, request: object) -> Inputs:
    """The request's files as if the provider had taken each at the address that the client named."""
    inputs = {}
    for entry in service.inputs:
        held = getattr(request, entry.field) or []
        urls = [held] if isinstance(held, str) else held
        inputs[entry.field] = [InputFile(new_id(), MediaInfo("png", "image/png"), upstream_url=url) for url in urls]
    return inputs


def send(service: Service, form: Form, fields: Mapping[str, object]) -> tuple[Task, list[str]]:
    request, changes = settle(service.request.model_validate(fields), form.rules)
    return form.task(request, handed_up(service, request)), changes


@pytest.mark.parametrize("asked", CASES, ids=lambda asked: f"{asked.service}-{asked.says[:40]}")
def test_line(asked: Case) -> None:
    service = CATALOG[asked.service]
    form = form_of(service, is_legacy=asked.is_legacy)
    if asked.is_refused:
        with pytest.raises(Invalid) as raised:
            send(service, form, asked.request)
        assert raised.value.message.startswith(asked.says)
        assert raised.value.fields[0]["loc"] == ("body", asked.says.partition(":")[0])
        return

    task, changes = send(service, form, asked.request)

    assert any(asked.says in change for change in changes), changes
    assert {name: task.body.get(name) for name in asked.sends} == asked.sends
    assert task.model in form.models


def lines() -> Iterator[tuple[Service, bool, Rule]]:
    for service in CATALOG.values():
        if isinstance(service.run, UpstreamTask):
            for form in service.run.forms:
                for rule in form.rules:
                    yield service, form is service.run.legacy, rule


def test_every_line_of_every_table_is_tested() -> None:
    """By what it says: each sentence must be looked for by a case of its service and form."""
    looked_for = {(asked.service, asked.is_legacy, asked.says) for asked in CASES}
    missing = [
        f"{service.id}: {rule.field}: {rule.says}" for service, is_legacy, rule in lines()
        if not any(id_ == service.id and old == is_legacy and says in f"{rule.field}: {rule.says}"
                   for id_, old, says in looked_for)
    ]

    assert missing == []


PLAIN = [
    ("text-to-image", False, {}),
    ("seedream", False, {}),
    ("nano-banana", False, {}),
    ("gpt-image-2-text-to-image", False, {}),
    ("gpt-image-2-image-to-image", False, {"input_urls": [A]}),
    ("sora2-video", False, {"image_urls": [A]}),
    ("sora2-text-to-video", False, {}),
    ("seedance-video", False, {}),
    ("veo31-video", False, {}),
    ("veo31-video", True, {}),
    ("text-to-music", False, {}),
    ("text-to-music", True, {}),
]


@pytest.mark.parametrize(("service_id", "is_legacy", "fields"), PLAIN)
def test_plain_request_goes_as_it_is(service_id: str, is_legacy: bool, fields: Mapping[str, object]) -> None:
    service = CATALOG[service_id]

    task, changes = send(service, form_of(service, is_legacy=is_legacy), {"prompt": "a boat", **fields})

    assert changes == []
    assert task.body["prompt"] == "a boat"


def sent(service_id: str, *, is_legacy: bool = False, **fields: object) -> Mapping[str, object]:
    service = CATALOG[service_id]
    return send(service, form_of(service, is_legacy=is_legacy), {"prompt": "a boat", **fields})[0].body


def test_nano_banana_sends_the_contracts_defaults() -> None:
    body = sent("nano-banana")

    assert body == {"prompt": "a boat", "aspect_ratio": "1:1", "resolution": "1K", "output_format": "jpg"}


def test_seedance_counts_its_seconds_in_a_number() -> None:
    assert sent("seedance-video", duration="12")["duration"] == 12


@pytest.mark.parametrize(
    ("pictures", "kind"),
    [([], "TEXT_2_VIDEO"), ([A], "FIRST_AND_LAST_FRAMES_2_VIDEO"), ([A, B], "FIRST_AND_LAST_FRAMES_2_VIDEO"),
     ([A, B, C], "REFERENCE_2_VIDEO")],
)
def test_veo_derives_its_kind_from_the_pictures(pictures: list[str], kind: str) -> None:
    assert sent("veo31-video", image_urls=pictures)["generation_type"] == kind
    assert sent("veo31-video", is_legacy=True, image_urls=pictures)["generationType"] == kind


def test_veo_is_told_the_shape_in_both_spellings() -> None:
    body = sent("veo31-video", is_legacy=True, aspect_ratio="9:16", enable_translation=False, seeds=10000)

    assert (body["aspect_ratio"], body["aspectRatio"], body["enableTranslation"], body["seeds"]) == (
        "9:16", "9:16", False, 10000)


def test_suno_sings_the_prompt_in_custom_mode() -> None:
    body = sent("text-to-music", style="pop", prompt="\n Rain \nSun", vocal_gender="f", style_weight=0.123)

    assert body == {
        "model": "V4", "custom_mode": True, "instrumental": False, "style": "pop", "title": "Rain",
        "prompt": "\n Rain \nSun", "lyrics": "\n Rain \nSun", "vocal_gender": "f", "style_weight": 0.12,
        "weirdness_constraint": 0.5, "audio_weight": 0.5,
    }


def test_suno_spells_otherwise_on_its_own_routes() -> None:
    body = sent("text-to-music", is_legacy=True, style="pop", negative_tags="drums")

    assert body == {
        "customMode": True, "instrumental": False, "style": "pop", "title": "a boat", "prompt": "a boat",
        "negativeTags": "drums", "styleWeight": 0.5, "weirdnessConstraint": 0.5, "audioWeight": 0.5,
    }


def test_suno_reads_the_description_alone_in_simple_mode() -> None:
    assert sent("text-to-music", is_legacy=True) == {"customMode": False, "instrumental": False, "prompt": "a boat"}
