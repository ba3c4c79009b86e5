"""Still pictures: a gradient whose colour follows the text, with the text on a dark plate.

Drawn with a palette, one byte a pixel, so that a picture of a megapixel takes a few milliseconds.
"""

import colorsys
import hashlib
import io
import re
from functools import lru_cache

import fontpkg_sarabun
from PIL import Image, ImageDraw, ImageFont

from app.sandbox.media.specs import Picture

FONT = str(fontpkg_sarabun.ROOT / "files" / "Sarabun-SemiBold.ttf")
TEXT_DRAWN = 240
# One character, or a Thai one with the vowels and marks that belong to it.
CLUSTER = re.compile("[\u0e40-\u0e44]?.[\u0e30-\u0e3a\u0e45\u0e47-\u0e4e]*")
# The palette: so many shades of the gradient, then the shades from the plate to white.
SHADES = 224
PLATE_SHADES = 256 - SHADES


def draw(picture: Picture) -> bytes:
    """The picture as a file. The same spec gives the same bytes."""
    image = _gradient(picture.width, picture.height).copy()
    if text := picture.text.strip():
        _write(image, text[:TEXT_DRAWN])
    image.putpalette(_palette(hashlib.sha256(picture.text.encode()).digest()[0] / 256))
    file = io.BytesIO()
    if picture.format == "png":
        image.save(file, "PNG", compress_level=1)
    else:
        image.convert("RGB").save(file, "JPEG", quality=85)
    return file.getvalue()


def _write(image: Image.Image, text: str) -> None:
    """The text in the middle, on its plate."""
    size = max(8, min(image.size) // 18)
    font = _font(size)
    lines = wrap(text, font, image.width * 0.8)
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = pen.multiline_textbbox((0, 0), lines, font=font, spacing=size // 2, align="center")
    words = Image.new("L", (int(right - left) + 2 * size, int(bottom - top) + size))
    ImageDraw.Draw(words).multiline_text(
        (size - left, size // 2 - top), lines, fill=255, font=font, spacing=size // 2, align="center"
    )
    plate = words.point(lambda light: SHADES + light * (PLATE_SHADES - 1) // 255)
    image.paste(plate, ((image.width - plate.width) // 2, (image.height - plate.height) // 2))


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text in lines of at most `width` pixels: broken at spaces, and between clusters where a run is too long."""
    lines = [""]
    for word in text.split():
        candidate = f"{lines[-1]} {word}".lstrip()
        if font.getlength(candidate) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for cluster in CLUSTER.findall(word):
            if font.getlength(lines[-1] + cluster) > width:
                lines.append("")
            lines[-1] += cluster
    return "\n".join(lines)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, size)


@lru_cache(maxsize=24)
def _gradient(width: int, height: int) -> Image.Image:
    """Palette numbers from the top left, 0, to the bottom right."""
    down = Image.linear_gradient("L")
    slope = Image.blend(down, down.transpose(Image.Transpose.ROTATE_90), 0.35)
    numbers = slope.resize((width, height), Image.Resampling.BILINEAR).point(lambda value: value * (SHADES - 1) // 255)
    image = Image.new("P", (width, height))
    image.paste(numbers)
    return image


def _palette(hue: float) -> list[int]:
    steps = [n / SHADES for n in range(SHADES)]
    gradient = [colorsys.hsv_to_rgb((hue + 0.12 * step) % 1, 0.65, 0.25 + 0.6 * step) for step in steps]
    plate = [(0.08 + 0.92 * n / (PLATE_SHADES - 1),) * 3 for n in range(PLATE_SHADES)]
    return [round(255 * part) for colour in (*gradient, *plate) for part in colour]
