"""Measures the files of a request that were uploaded here: what a model makes may depend on them."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from PIL import Image

from app.sandbox.exchange import Call
from app.sandbox.store import content_type
from app.sandbox.tasks import NOTHING_MEASURED, JsonObject, Source


async def measure(call: Call, values: JsonObject) -> Source:
    """What is known of the files. Foreign addresses are not fetched and say nothing."""
    files = list(_own_files(call, values))
    return await asyncio.to_thread(_measure, files) if files else NOTHING_MEASURED


def _own_files(call: Call, values: JsonObject) -> Iterator[Path]:
    prefix = f"{call.base_url}/files/uploads/"
    for value in values.values():
        for address in value if isinstance(value, list) else [value]:
            if isinstance(address, str) and address.startswith(prefix):
                file = call.world.store.find(address.removeprefix(prefix))
                if file is not None:
                    yield file


def _measure(files: Iterable[Path]) -> Source:
    film_s, ratio = None, None
    for file in files:
        kind = content_type(file.name).partition("/")[0]
        if kind == "video" and film_s is None:
            film_s = film_seconds(file)
        elif kind == "image" and ratio is None:
            ratio = _ratio(file)
    return Source(film_s, ratio)


def film_seconds(file: Path) -> float | None:
    """The length of a film or sound; None when it cannot be read."""
    try:
        with av.open(str(file)) as container:
            return None if container.duration is None else container.duration / av.time_base
    except av.FFmpegError:
        return None


def _ratio(file: Path) -> str | None:
    try:
        with Image.open(file) as image:
            return f"{image.width}:{image.height}"
    except OSError:
        return None
