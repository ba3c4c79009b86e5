"""Looks into media files with a decoder that did not make them."""

import io
from dataclasses import dataclass

import av
import av.video


@dataclass(frozen=True)
class Seen:
    """What a decoder found: `motion` is how much the last frame differs from the first, 0 to 255."""

    codecs: tuple[str, ...]
    size: tuple[int, int]
    seconds: float
    motion: float


def look(content: bytes) -> Seen:
    """Decode the whole file."""
    with av.open(io.BytesIO(content), "r") as container:
        codecs = tuple(stream.codec_context.name for stream in container.streams)
        seconds = round((container.duration or 0) / av.time_base, 2)
        pictures: list[bytes] = []
        size = (0, 0)
        for stream in container.streams:
            container.seek(0)
            for frame in container.decode(stream):
                if isinstance(frame, av.video.VideoFrame):
                    size = (frame.width, frame.height)
                    pictures.append(bytes(frame.reformat(width=32, height=32, format="gray").planes[0]))
    changes = [abs(a - b) for a, b in zip(pictures[0], pictures[-1], strict=True)] if pictures else [0]
    return Seen(codecs, size, seconds, sum(changes) / len(changes))
