"""All models by id: those of the jobs API, and those behind the legacy routes."""

from app.sandbox.kie.film_models import FILM_MODELS
from app.sandbox.kie.legacy import SUNO_LEGACY, SUNO_NAMES, VEO_LEGACY, VEO_NAMES, renamed
from app.sandbox.kie.model import Model
from app.sandbox.kie.music_models import MUSIC_MODELS
from app.sandbox.kie.picture_models import PICTURE_MODELS
from app.sandbox.media.specs import Media
from app.sandbox.tasks import Dialect, JsonObject, Task

JOB_MODELS = PICTURE_MODELS | FILM_MODELS | MUSIC_MODELS


def model_of(task: Task) -> Model:
    """The model that a task runs."""
    return {Dialect.VEO: VEO_LEGACY, Dialect.SUNO: SUNO_LEGACY}.get(task.dialect) or JOB_MODELS[task.model]


def values_of(task: Task) -> JsonObject:
    """The model's input, in the jobs form's names."""
    request = task.request()
    match task.dialect:
        case Dialect.VEO:
            return renamed(request, VEO_NAMES)
        case Dialect.SUNO:
            return renamed(request, SUNO_NAMES)
        case Dialect.JOBS:
            values: JsonObject = request["input"]
            return values


def media_of(task: Task) -> list[Media]:
    """What the task makes."""
    return model_of(task).makes(values_of(task), task.source)
