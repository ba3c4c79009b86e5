"""The catalogue's examples made real: where one names a file by its type, a file of that type is served."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx

from app.catalog.model import Example, Service
from tests.mediafiles import ffmpeg, picture, sound
from tests.stack import NO_CERTIFICATES, Stack

PICTURES = (".png", ".jpg", ".webp", ".gif")
SOUNDS = (".mp3", ".wav")
USUAL_S = "2"


def real(stack: Stack, service: Service, example: Example) -> dict[str, object]:
    """The example's request with addresses that the stack can fetch."""
    fields = {entry.field for entry in service.inputs}
    seconds = example.seconds or USUAL_S
    return {name: _served(stack, value, seconds) if name in fields else value
            for name, value in example.request.items()}


def _served(stack: Stack, value: object, seconds: str) -> object:
    if isinstance(value, str):
        suffix = PurePosixPath(urlsplit(value).path).suffix
        return serve(stack, f"lasts-{seconds}{suffix}", make_file(suffix, seconds))
    return [_served(stack, item, seconds) for item in value] if isinstance(value, list) else value


def serve(stack: Stack, name: str, content: bytes) -> str:
    """An address outside of the broker where the fetcher finds the bytes: the stand-in's upload host."""
    answer = httpx.post(
        f"{stack.sandbox_url}/kie/api/file-stream-upload", headers={"Authorization": "Bearer somebody"},
        data={"uploadPath": "tests", "fileName": name}, files={"file": (name, content)}, trust_env=False,
        verify=NO_CERTIFICATES,
    )
    return str(answer.json()["data"]["downloadUrl"])


@cache
def make_file(suffix: str, seconds: str = USUAL_S) -> bytes:
    """A picture, film or sound of the type and length."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        if suffix in PICTURES:
            picture(path, (480, 640))
        elif suffix in SOUNDS:
            sound(path, seconds=float(seconds))
        else:
            ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=320x240:rate=10:duration={seconds}",
                   "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-pix_fmt", "yuv420p", path)
        return path.read_bytes()


def text_field(service: Service) -> str:
    """The field whose words reach the provider, for telling a stand-in what to do."""
    return next(name for name in service.request.model_fields if name.endswith("prompt"))


def told(service: Service, request: Mapping[str, object], directive: str) -> dict[str, object]:
    """The request with a directive to the stand-in at the end of its words."""
    field = text_field(service)
    return {**request, field: f"{request.get(field) or 'Well'} [[sandbox:{directive}]]"}
