"""Reads one film or sound in the jail, with FFmpeg's libraries. Run by app.media.probe.

It walks to the last packet of each stream and decodes the first frames. Whatever it raises means that the file is
damaged.
"""

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.frame import Frame
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.media.formats import DECODERS, FORMATS, Kinds
from app.media.found import Found, Unusable, tell
from app.media.images import check_size

STREAMS = 16
DECODED_PACKETS = 200  # in which a first frame must be found
MISSING_S = 1.0
MISSING_SHARE = 0.1
# These tell the length of what they hold when they were finished; the others guess or leave it open.
CONTAINERS_WITH_LENGTH = frozenset({"mp4", "mov", "m4a", "webm", "mkv"})


def probe_film(path: Path, container: str) -> Found:
    """Walk through a film or a sound to its end. Raises Unusable, or FFmpeg's errors for what it cannot read."""
    with (
        path.open("rb") as file,
        av.open(file, "r", FORMATS[container].demuxer, io_open=_open_no_other, metadata_errors="ignore") as opened,
    ):
        video, audio = _choose(opened, with_film=FORMATS[container].kind is Kinds.VIDEO)
        tracks = {track.stream.index: track for track in (video, audio) if track}
        for packet in opened.demux([track.stream for track in tracks.values()]):
            tracks[packet.stream_index].see(packet)
        claimed_s = (opened.duration or 0) / av.time_base
    _check_whole(list(tracks.values()), claimed_s if container in CONTAINERS_WITH_LENGTH else 0)
    return _describe(video, audio)


def _open_no_other(url: str, _flags: int, _options: dict[str, str]) -> NoReturn:
    raise PermissionError(f"a file names another one: {url}")


@dataclass
class Track:
    """What was seen of one stream."""

    stream: VideoStream | AudioStream
    codec: str
    begin: Fraction | None = None
    end: Fraction = Fraction(0)
    packets: int = 0
    frame: Frame | None = None

    @property
    def duration_s(self) -> float:
        """Seconds from the first packet's time to the last one's end."""
        return max(0.0, float(self.end - (self.begin or 0)))

    def see(self, packet: "Packet[Stream]") -> None:
        """Take the packet's time into account, and decode it while no frame has been."""
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None and not packet.is_discard:
            begin = time * packet.time_base
            self.begin = begin if self.begin is None else min(self.begin, begin)
            self.end = max(self.end, begin + (packet.duration or 0) * packet.time_base)
            self.packets += 1
        if self.frame is None and self.packets <= DECODED_PACKETS:
            with suppress(av.InvalidDataError):
                self.frame = next(iter(self.stream.codec_context.decode(packet)), None)


def _choose(opened: InputContainer, with_film: bool) -> tuple[Track | None, Track | None]:
    """The first film and the first sound of a file. The pictures in a sound file (cover, chapters) are no film."""
    if len(opened.streams) > STREAMS:
        raise Unusable("The file has too many streams.")
    films = [one for one in opened.streams.video if with_film and Disposition.attached_pic not in one.disposition]
    film, sound = next(iter(films), None), next(iter(opened.streams.audio), None)
    if film:
        check_size(film.codec_context.width, film.codec_context.height)
    return _track(film) if film else None, _track(sound) if sound else None


def _track(stream: VideoStream | AudioStream) -> Track:
    decoder = stream.codec_context.codec
    if decoder.name not in DECODERS:
        raise Unusable(f"The file uses a codec that we do not read: {decoder.canonical_name}.")
    stream.codec_context.thread_count = 1
    return Track(stream, decoder.canonical_name)


def _check_whole(tracks: list[Track], claimed_s: float) -> None:
    if not tracks:
        raise Unusable("The file holds neither film nor sound.")
    if any(track.frame is None for track in tracks):
        raise Unusable("The file is empty or damaged: nothing in it could be decoded.")
    missing_s = claimed_s - max(track.duration_s for track in tracks)
    if missing_s > max(MISSING_S, claimed_s * MISSING_SHARE):
        raise Unusable("The file ends before the time that it claims to last.")


def _describe(video: Track | None, audio: Track | None) -> Found:
    found = Found(audio_codec=audio.codec, duration_s=audio.duration_s) if audio else Found()
    if video and isinstance(video.frame, VideoFrame) and isinstance(video.stream, VideoStream):
        turn = -video.frame.rotation % 360
        size = (video.frame.width, video.frame.height)
        width, height = size if turn in (0, 180) else size[::-1]
        found |= Found(width=width, height=height, rotation=turn, frames=video.packets)
        found |= Found(video_codec=video.codec, duration_s=video.duration_s)
        found |= Found(fps=round(float(video.stream.average_rate or 0), 3))
    return found


if __name__ == "__main__":
    tell(probe_film)
