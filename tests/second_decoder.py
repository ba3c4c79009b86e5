"""What a result is, by decoders that are not the broker's own probe: Pillow, and the `ffmpeg` program."""

import io
import re
import subprocess
import tempfile
from dataclasses import dataclass

from PIL import Image

from tests.mediafiles import FFMPEG

DURATION = re.compile(r"Duration: (\d+):(\d+):(\d+\.\d+)")
VIDEO = re.compile(r"Video: (\w+).*? (\d{2,5})x(\d{2,5})")
AUDIO = re.compile(r"Audio: (\w+)")


@dataclass(frozen=True)
class Look:
    """A decoded file. A picture has no seconds; its format stands as the codec."""

    video_codec: str | None = None
    audio_codec: str | None = None
    width: int = 0
    height: int = 0
    seconds: float = 0.0

    @property
    def ratio(self) -> float:
        return self.width / self.height


def look_at(content_type: str, content: bytes) -> Look:
    """Decode a file to its last frame. Raises for one that is damaged."""
    return _picture(content) if content_type.startswith("image/") else _film(content)


def _picture(content: bytes) -> Look:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return Look(video_codec=(image.format or "").lower(), width=image.width, height=image.height)


def _film(content: bytes) -> Look:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        command = [FFMPEG, "-nostdin", "-hide_banner", "-xerror", "-i", file.name, "-f", "null", "-"]
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, errors="replace")
    said = done.stderr
    length, video, audio = DURATION.search(said), VIDEO.search(said), AUDIO.search(said)
    assert done.returncode == 0, said
    assert length, said
    hours, minutes, seconds = length.groups()
    return Look(
        video_codec=video[1] if video else None, audio_codec=audio[1] if audio else None,
        width=int(video[2]) if video else 0, height=int(video[3]) if video else 0,
        seconds=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
    )
