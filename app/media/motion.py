"""How the camera moves over a still picture (contract 2.4): pure arithmetic, in shares of the picture, not pixels."""

from dataclasses import dataclass
from typing import Literal

FPS = 30

Mode = Literal[
    "center", "top_left", "top_right", "bottom_left", "bottom_right",
    "pan_right", "pan_left", "pan_up", "pan_down", "none",
]  # fmt: skip

# Where the spare room around the window goes: 0 is all right of or below it, 1 all left of or above it.
ZOOM_ANCHORS: dict[str, tuple[float, float]] = {
    "center": (0.5, 0.5),
    "top_left": (0.0, 0.0),
    "top_right": (1.0, 0.0),
    "bottom_left": (0.0, 1.0),
    "bottom_right": (1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class KenBurns:
    """A clip of `duration_s` seconds at 30 frames a second.

    `speed` is the growth of the scale per frame, up to `max_scale`. The pans hold `max_scale` and cross the whole spare
    width or height once in the clip at a `pan_speed` of 1, less far below it, and sooner above it.
    """

    duration_s: float
    mode: Mode = "none"
    speed: float = 0.0015
    max_scale: float = 1.5
    pan_speed: float = 1.0

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return round(self.duration_s * FPS)

    def scale(self, frame: int) -> float:
        """How much larger than in the whole picture everything is shown, from 1 on."""
        if self.mode == "none":
            return 1.0
        if self.mode.startswith("pan_"):
            return self.max_scale
        return min(1.0 + self.speed * frame, self.max_scale)

    def window(self, frame: int) -> tuple[float, float, float]:
        """The part of the picture that a frame shows: its left and top edge and its size, as shares of the picture."""
        size = 1.0 / self.scale(frame)
        x, y = self._anchor(frame)
        return x * (1.0 - size), y * (1.0 - size), size

    def _anchor(self, frame: int) -> tuple[float, float]:
        crossed = min(1.0, self.pan_speed * frame / max(1, self.frames - 1))
        match self.mode:
            case "pan_right":
                return crossed, 0.5
            case "pan_left":
                return 1.0 - crossed, 0.5
            case "pan_down":
                return 0.5, crossed
            case "pan_up":
                return 0.5, 1.0 - crossed
            case "none":
                return 0.0, 0.0
            case mode:
                return ZOOM_ANCHORS[mode]
