"""A still picture as the planes of a film: upright, on black, BT.709, at the sizes that a clip needs.

For children in the jail alone. Works in strips and in single bytes, so that 50 megapixels fit into it.
"""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Self

from PIL import Image
from PIL.Image import Resampling, Transpose

from app.media.images import open_image, orientation

LONGEST_SIDE = 1_920
STRIP = 256

# ITU-R BT.709, limited range, from RGB of 0 to 255.
TO_BT709 = (
    *(0.182586, 0.614231, 0.062007, 16.0),
    *(-0.100644, -0.338572, 0.439216, 128.0),
    *(0.439216, -0.398942, -0.040274, 128.0),
)
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

LYING = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)

# Pixels of the picture for each one of the film, at least, before a smaller size of it will do: at less than one and a
# quarter, enlarging loses what the next size still has, and the change of sizes would show in a zoom.
DETAIL = 1.25

Size = tuple[int, int]
Window = tuple[float, float, float]


def film_size(size: Size) -> Size:
    """The sides of the film of a picture: at most 1920, never larger than the picture, even."""
    shrink = min(1.0, LONGEST_SIDE / max(size))
    return _even(size[0] * shrink), _even(size[1] * shrink)


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)


@dataclass(frozen=True, slots=True)
class Planes:
    """A picture as one plane of luma and two of chroma, whose sizes may differ."""

    y: Image.Image
    u: Image.Image
    v: Image.Image

    def resized(self, size: Size) -> "Planes":
        """The same picture of another size, with chroma of half of it."""
        half = (ceil(size[0] / 2), ceil(size[1] / 2))
        return Planes(
            self.y if self.y.size == size else self.y.resize(size, Resampling.LANCZOS),
            self.u.resize(half, Resampling.LANCZOS),
            self.v.resize(half, Resampling.LANCZOS),
        )

    def frame(self, size: Size, window: Window) -> bytes:
        """What the window shows, as a frame of 4:2:0. The edges of the window may lie between pixels."""
        half = (size[0] // 2, size[1] // 2)
        return _cut(self.y, size, window) + _cut(self.u, half, window) + _cut(self.v, half, window)


def _cut(plane: Image.Image, size: Size, window: Window) -> bytes:
    left, top, share = window
    width, height = plane.size
    box = (left * width, top * height, min((left + share) * width, width), min((top + share) * height, height))
    return plane.resize(size, Resampling.BICUBIC, box=box).tobytes()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture at several sizes, the largest first, ready to be shown in a film of `size`."""

    size: Size
    levels: list[Planes]

    @classmethod
    def load(cls, path: Path, container: str, *, max_scale: float) -> Self:
        """Read a picture with as much detail as a film needs that enlarges it up to `max_scale`.

        Raises Unusable, or PIL's errors for a damaged file.
        """
        with open_image(path, container) as image:
            turn = UPRIGHT.get(orientation(image))
            lies = turn in LYING
            upright = image.size[::-1] if lies else image.size
            size = film_size(upright)
            detail = (min(upright[0], ceil(size[0] * max_scale)), min(upright[1], ceil(size[1] * max_scale)))
            image.draft(None, detail[::-1] if lies else detail)  # JPEG alone: decodes at a half, a quarter, an eighth
            planes = _planes(image)
        if turn is not None:
            planes = Planes(planes.y.transpose(turn), planes.u.transpose(turn), planes.v.transpose(turn))
        levels = [planes.resized(detail)]
        while levels[-1].y.width >= 2 * DETAIL * size[0]:
            levels.append(levels[-1].resized((levels[-1].y.width // 2, max(1, levels[-1].y.height // 2))))
        return cls(size, levels)

    def frame(self, window: Window) -> bytes:
        """The frame of a window, made from the smallest size that has its detail."""
        wanted = DETAIL * self.size[0] / window[2]
        level = next((level for level in reversed(self.levels) if level.y.width >= wanted), self.levels[0])
        return level.frame(self.size, window)


def _planes(image: Image.Image) -> Planes:
    image.load()
    planes = Planes(*(Image.new("L", image.size) for _ in range(3)))
    for top in range(0, image.height, STRIP):
        strip = image.crop((0, top, image.width, min(top + STRIP, image.height)))
        y, u, v = _on_black(strip).convert("RGB", TO_BT709).split()
        planes.y.paste(y, (0, top))
        planes.u.paste(u, (0, top))
        planes.v.paste(v, (0, top))
    return planes


def _on_black(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I"):  # 16 bits of grey, which `convert` would clip
        return strip.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if not strip.has_transparency_data:
        return strip.convert("RGB")
    black = Image.new("RGB", strip.size)
    layer = strip.convert("RGBA")
    black.paste(layer, mask=layer)
    return black
