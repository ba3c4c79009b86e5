"""From an order to the request that a client sends: an example of the catalogue, bent as the plan says."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from app.catalog.loader import load_catalog
from app.catalog.model import Service
from app.media.formats import Kinds
from app.torture.asking import Line
from app.torture.plan import Menu, Order
from app.torture.talk import CALLS

# What is asked for, and how often. It is most of all what is made fast: films take a core for seconds.
WANTED: Mapping[str, float] = {
    "text-to-image": 8, "gpt-image-2-image-to-image": 0.7, "seedream": 0.3, "text-to-speech": 1,
    "image-to-video": 0.1, "extract-last-frame": 0.3, "sora2-character": 0.5, "seedance-video": 0.05,
}  # fmt: skip
# Where a prompt of words is, directives can stand in it.
PROMPT = "prompt"
# Where the provider answers at once there are no callbacks and files to go wrong, and a refusal that stands in the
# prompt would be repeated until the deadline.
BENT_CALLS = frozenset({"slow=4", "stall=4", "cost=2.5", "bad-json", "lost-answer", "fail"})
UPLOAD_WITHIN_S = 60

# Addresses of files that the clients uploaded before, one of each kind.
Uploads = Mapping[Kinds, str]


def services() -> dict[str, Service]:
    """The services that are tortured."""
    return {name: load_catalog()[name] for name in WANTED}


def menu() -> Menu:
    """What clients choose from."""
    cancellable = [name for name, service in services().items() if service.is_cancellable]
    return Menu({**WANTED, **CALLS}, {name: WANTED[name] for name in cancellable})


def body_of(order: Order, service: Service, uploads: Uploads) -> dict[str, Any]:
    """The request. Two orders never have the same."""
    example = service.examples[order.number % len(service.examples)]
    body = dict(example.request)
    if PROMPT in service.request.model_fields:
        is_bent = order.bent and (service.lane == "kie" or order.bent in BENT_CALLS)
        directive = f" [[sandbox:{order.bent}]]" if is_bent else ""
        body[PROMPT] = f"{order.name} {body.get(PROMPT, '')}{directive}"
    for entry in service.inputs:
        asked = body.pop(entry.field, None)
        # What is not there to be uploaded (a song) is optional, where it is asked for at all.
        for address in [url for kind, url in uploads.items() if asked and kind & entry.kinds][:1]:
            body[entry.field] = [address] * len(asked) if isinstance(asked, list) else address
    return body


async def upload(line: Line, file: Path) -> str:
    """Give the broker a file to work on, of the first account; answers its address."""
    content = await asyncio.to_thread(file.read_bytes)
    response = await line.request(
        "POST", "/media/upload", headers={"Authorization": f"Bearer {line.keys[0]}"},
        files={"file": (file.name, content)}, timeout_s=UPLOAD_WITHIN_S,
    )
    response.raise_for_status()
    return str(response.json()["url"])


async def make_film(folder: Path) -> Path:
    """A film of three seconds, to be worked on."""
    film = folder / "film.mp4"
    source = "testsrc=duration=3:size=320x320:rate=12"
    ffmpeg = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", film
    )
    if await ffmpeg.wait() != 0:
        raise RuntimeError("FFmpeg made no film")
    return film
