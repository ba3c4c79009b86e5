"""What a child in the jail finds in a file, and how it tells: app.media.probe reads one line of JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict


class Unusable(Exception):
    """The file cannot be used; the message is safe for the client."""


class Found(TypedDict, total=False):
    """What app.media.probe.MediaInfo is made of."""

    refused: str
    width: int
    height: int
    rotation: int
    frames: int
    fps: float
    duration_s: float
    video_codec: str
    audio_codec: str


def tell(look: Callable[[Path, str], Found]) -> None:
    """Look at the file in argv as the container in argv, and tell what is found."""
    try:
        found = look(Path(sys.argv[1]), sys.argv[2])
    except Unusable as error:
        found = {"refused": str(error)}
    sys.stdout.write(json.dumps(found))
