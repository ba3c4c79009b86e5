"""Reads one picture in the jail, decoding it whole. Run by app.media.probe.

Whatever it raises means that the file is damaged.
"""

from pathlib import Path

from PIL import ImageSequence

from app.media.found import Found, tell
from app.media.images import ROTATIONS, open_image, orientation


def probe_image(path: Path, container: str) -> Found:
    """Decode every frame of a picture. Width and height are those of the upright picture."""
    with open_image(path, container) as image:
        turn = orientation(image)
        width, height = image.size if ROTATIONS.get(turn, 0) in (0, 180) else image.size[::-1]
        frames, milliseconds = 0, 0.0
        for frame in ImageSequence.Iterator(image):
            frame.load()
            frames += 1
            milliseconds += frame.info.get("duration", 0)
    found = Found(width=width, height=height, rotation=ROTATIONS.get(turn, 0), frames=frames)
    return found | Found(duration_s=milliseconds / 1000) if frames > 1 else found


if __name__ == "__main__":
    tell(probe_image)
