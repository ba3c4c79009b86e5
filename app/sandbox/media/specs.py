"""What a result file is: enough to make it again, byte for byte."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Picture:
    """A still picture with a text drawn on it."""

    width: int
    height: int
    text: str
    format: Literal["png", "jpg"] = "png"

    @property
    def extension(self) -> str:
        return self.format

    @property
    def content_type(self) -> str:
        return "image/png" if self.format == "png" else "image/jpeg"


@dataclass(frozen=True)
class Clip:
    """A moving picture, H.264 in MP4, with AAC sound or without."""

    width: int
    height: int
    seconds: float
    has_sound: bool = True
    extension = "mp4"
    content_type = "video/mp4"


@dataclass(frozen=True)
class Track:
    """A piece of music in MP3. `variation` tells tracks of one request apart."""

    seconds: float
    variation: int = 0
    extension = "mp3"
    content_type = "audio/mpeg"


Media = Picture | Clip | Track


def size_for(ratio: str, area: int, *, step: int = 16) -> tuple[int, int]:
    """Width and height of about `area` pixels in the ratio `W:H`, both multiples of `step`."""
    wide, high = _parts(ratio)
    width = (area * wide / high) ** 0.5
    return max(step, round(width / step) * step), max(step, round(width * high / wide / step) * step)


def frame_for(ratio: str, short_side: int) -> tuple[int, int]:
    """Width and height of a film whose shorter side is given; both even."""
    wide, high = _parts(ratio)
    long_side = round(short_side * max(wide, high) / min(wide, high) / 2) * 2
    return (long_side, short_side) if wide >= high else (short_side, long_side)


def _parts(ratio: str) -> tuple[float, float]:
    wide, high = (float(part) for part in ratio.split(":"))
    return wide, high
