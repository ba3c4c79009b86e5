"""What is in a file of a stranger: sniffed here, decoded and measured by a child in the jail."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import UnsupportedMedia
from app.media.formats import Format, Kinds, sniff_format
from app.media.process import MIB, Limits, ProcessFailed, Reason, python, run

__all__ = ["Kinds", "MediaInfo", "probe"]

LIMITS = Limits(time_s=30, memory_bytes=512 * MIB, file_bytes=0, processes=1)
# A picture's has no need of FFmpeg's libraries, which take longer to load than most pictures to decode.
CHILDREN = {
    Kinds.IMAGE: "app.media.probe_image_child",
    Kinds.VIDEO: "app.media.probe_film_child",
    Kinds.AUDIO: "app.media.probe_film_child",
}
DAMAGED = "The file is damaged: it cannot be read."
TOO_MUCH = "The file takes too much time or memory to read."


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A file that decodes. Width and height are those of the upright picture; seconds are measured, not claimed.

    `duration_s` is None for a still picture; `rotation` is how far the stored picture is turned clockwise to stand
    upright; `frames` counts the pictures of an animation or a film.
    """

    container: str
    content_type: str
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    rotation: int = 0
    frames: int | None = None
    fps: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None

    @property
    def kind(self) -> Kinds:
        """Picture, film or sound."""
        return Kinds[self.content_type.split("/")[0].upper()]

    @property
    def has_video(self) -> bool:
        """Whether there is a film in it."""
        return self.video_codec is not None

    @property
    def plays_everywhere(self) -> bool:
        """Whether every player takes the film as it is."""
        return (self.container, self.video_codec) == ("mp4", "h264") and self.audio_codec in (None, "aac")

    @property
    def has_audio(self) -> bool:
        """Whether there is sound in it."""
        return self.audio_codec is not None


async def probe(path: Path, *, kinds: Kinds) -> MediaInfo:
    """Look at every byte of a file and say what it is. Raises UnsupportedMedia, with a message safe for the client.

    The file lies in a private folder of ours. Takes about 0.1 s, and more for large files.
    """
    sniffed = sniff_format(path)
    if sniffed is None or not kinds & sniffed.possible_kinds:
        raise UnsupportedMedia(f"The file is not {kinds}.")
    found = await _look(path, sniffed)
    only_sound = sniffed.kind is Kinds.VIDEO and "video_codec" not in found
    content_type = sniffed.sound_type if only_sound else sniffed.content_type
    if content_type is None or (Kinds.AUDIO if only_sound else sniffed.kind) not in kinds:
        raise UnsupportedMedia(f"The file is not {kinds}.")
    return MediaInfo(container=sniffed.container, content_type=content_type, **found)


async def _look(path: Path, sniffed: Format) -> dict[str, Any]:
    command = python(CHILDREN[sniffed.kind], path.name, sniffed.container)
    try:
        found: dict[str, Any] = json.loads(await run(command, work_dir=path.parent, limits=LIMITS))
    except ProcessFailed as failure:
        message = TOO_MUCH if failure.reason in (Reason.TIME, Reason.MEMORY) else DAMAGED
        raise UnsupportedMedia(message) from failure
    if "refused" in found:
        raise UnsupportedMedia(found["refused"])
    return found
