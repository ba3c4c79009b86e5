"""A mistake in an entry, or in a setting about the catalogue, stops the start; the settings choose how to ask."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.catalog.loader import CatalogMistake, check_catalog, load_catalog
from app.catalog.model import Creations, Example, Input, Metered, Owned, Service, UpstreamTask
from app.catalog.rules import Rule
from app.catalog.vocabulary import Vocabulary
from app.config import Environment, Settings
from app.media.formats import Kinds
from app.providers.kie import DIALECTS
from app.providers.port import Task
from app.services.forms import choose_form, form_of_dialect, refuse_unknown_models

CATALOG = load_catalog()


def task_of(service: Service) -> UpstreamTask:
    assert isinstance(service.run, UpstreamTask)
    return service.run


def with_form(service: Service, **changes: object) -> Service:
    run = task_of(service)
    return replace(service, run=replace(run, form=replace(run.form, **changes)))  # type: ignore[arg-type]


NO_FIELD = Rule("no_such_field", when=lambda _: False, says="")
MISTAKES: dict[str, tuple[str, Callable[[Service], Service]]] = {
    "an input that is no field": ("seedream", lambda it: replace(it, inputs=(Input("picture", Kinds.IMAGE),))),
    "a rule for no field": ("seedream", lambda it: with_form(it, rules=(NO_FIELD,))),
    "a list of no field": ("sora2-character", lambda it: replace(it, creations=Creations("characters", ("name",)))),
    "owning in no field": (
        "sora2-video", lambda it: replace(it, owned=Owned("cast", "sora2-character", "character_id"))),
    "owning what nobody makes": (
        "sora2-video", lambda it: replace(it, owned=Owned("character_id_list", "sora2-character", "name"))),
    "owning of no service": (
        "sora2-video", lambda it: replace(it, owned=Owned("character_id_list", "sora3", "character_id"))),
    "cancelling without its word": ("sora2-video", lambda it: replace(it, vocabulary=Vocabulary.LOWER)),
    "the word without cancelling": ("seedream", lambda it: replace(it, vocabulary=Vocabulary.LOWER_WITH_CANCEL)),
    "measuring what is no input": (
        "seedream", lambda it: replace(it, metered=Metered("prompt", lambda request, rates, seconds: rates["job"]))),
    "no example": ("seedream", lambda it: replace(it, examples=())),
    "an example of another price": (
        "seedream", lambda it: replace(it, examples=(Example({"prompt": "a boat"}, credits="1.4"),))),
    "a model that is not declared": ("seedream", lambda it: with_form(it, task=lambda request, inputs: Task("x", {}))),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistake_stops_the_start(what: str) -> None:
    service_id, spoil = MISTAKES[what]

    with pytest.raises(CatalogMistake, match=service_id):
        check_catalog({**CATALOG, service_id: spoil(CATALOG[service_id])})


def settings(**more: object) -> Settings:
    return Settings.model_validate({"environment": Environment.EMBEDDED, **more})


PUBLIC = {"public_url": "https://phaya.example.com"}


@pytest.mark.parametrize(
    ("service_id", "chosen", "dialect"),
    [
        ("text-to-music", PUBLIC, "suno"),
        ("text-to-music", {}, "jobs"),
        ("text-to-music", {**PUBLIC, "kie_dialect": "jobs"}, "jobs"),
        ("veo31-video", PUBLIC, "veo"),
        ("veo31-video", {}, "veo"),
        ("veo31-video", {"kie_dialect": "jobs"}, "jobs"),
        ("seedream", PUBLIC, "jobs"),
    ],
)
def test_settings_choose_the_form(service_id: str, chosen: dict[str, str], dialect: str) -> None:
    assert choose_form(settings(**chosen), task_of(CATALOG[service_id])).dialect == dialect


def test_attempt_keeps_its_form_whatever_the_settings_say() -> None:
    task = task_of(CATALOG["veo31-video"])

    assert form_of_dialect(task, "veo") is task.legacy
    assert form_of_dialect(task, "jobs") is task.form
    assert form_of_dialect(task, None) is task.form


def test_renaming_a_model_that_no_service_uses_stops_the_start() -> None:
    refuse_unknown_models(settings(upstream_models={"z-image": "z-image-2", "veo3": "veo4"}), CATALOG)

    with pytest.raises(ValueError, match="text-to-image"):
        refuse_unknown_models(settings(upstream_models={"text-to-image": "z-image-2"}), CATALOG)


def test_every_dialect_that_a_form_names_is_spoken() -> None:
    tasks = [service.run for service in CATALOG.values() if isinstance(service.run, UpstreamTask)]

    assert {form.dialect for task in tasks for form in task.forms} == DIALECTS.keys()
