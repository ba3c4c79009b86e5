"""Pictures of strangers, opened with care. For children in the jail alone: a decoder may crash or swell."""

import struct
from contextlib import suppress
from pathlib import Path

from PIL import Image
from PIL.ExifTags import Base

from app.media.found import Unusable

SIDE = 16_384
PIXELS = 8_192 * 6_144  # the largest pictures of telephones; two copies of four bytes each fit into the jail
PIXELS_OF_ANIMATIONS = 6_000 * 4_000  # their decoders hold four copies
ANIMATIONS = ("gif", "webp")

# How far a picture must be turned clockwise to stand upright, by the EXIF orientation (mirrored ones alike).
ROTATIONS = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}

Image.MAX_IMAGE_PIXELS = None  # our own bound is lower, and an error rather than a warning


def open_image(path: Path, container: str) -> Image.Image:
    """Open a picture as the one format it was sniffed to be, decoding nothing yet. Raises Unusable or PIL's errors."""
    image = Image.open(path, formats=[container])
    check_size(*image.size, most=PIXELS_OF_ANIMATIONS if container in ANIMATIONS else PIXELS)
    return image


def check_size(width: int, height: int, *, most: int = PIXELS) -> None:
    """Refuse a pixel bomb by what its header says. Raises Unusable."""
    if width < 1 or height < 1:
        raise Unusable("The picture has no size.")
    if max(width, height) > SIDE or width * height > most:
        raise Unusable(f"The picture is too large: {width} × {height} pixels.")


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 when there is none or it is damaged, as browsers do."""
    with suppress(SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        value = image.getexif().get(Base.Orientation, 1)
        if value in range(1, 9):
            return int(value)
    return 1
