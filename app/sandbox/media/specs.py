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


Media = Picture


def size_for(ratio: str, area: int, *, step: int = 16) -> tuple[int, int]:
    """Width and height of about `area` pixels in the ratio `W:H`, both multiples of `step`."""
    wide, high = (float(part) for part in ratio.split(":"))
    width = (area * wide / high) ** 0.5
    return max(step, round(width / step) * step), max(step, round(width * high / wide / step) * step)


