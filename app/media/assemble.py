"""One file of what was downloaded: picture and sound put together, copied where they can be, encoded where not."""

from collections.abc import Sequence
from pathlib import Path

import ffmpeg

from app.errors import UnsupportedMedia
from app.media.ffmpeg import AAC, H264, OnProgress, media_input, run
from app.media.formats import DECODERS, Kinds
from app.media.join import Clip
from app.media.probe import probe
from app.media.ytdlp import Form, Want

FILM_OR_SOUND = Kinds.VIDEO | Kinds.AUDIO
START_S = 60.0
# Copying runs at the speed of the disk, encoding about at that of the film; a busy machine takes longer.
SLOWEST = 5.0
# How segments of HLS come: packets of so many bytes that begin with this one (ISO/IEC 13818-1, 2.4.3.2).
TS_PACKET, TS_SYNC, TS_PACKETS = 188, 0x47, 4
MP3 = {"acodec": "libmp3lame", "audio_bitrate": "192k"}
COPY = {"c": "copy"}
# Containers for what the platform's best may be, by what they hold; the first that fits is taken, else Matroska.
CONTAINERS = {
    "mp4": frozenset({"h264", "hevc", "av1", "aac", "mp3", "ac3", "eac3", None}),
    "webm": frozenset({"vp8", "vp9", "av1", "opus", "vorbis", None}),
}


async def assemble(parts: Sequence[Path], want: Want, *, on_progress: OnProgress) -> Clip:
    """One file, in the parts' folder, with the picture of the part that has one and the sound of the last that has any.

    An MP4 is H.264 and AAC; MP3 is the sound alone. Raises UnsupportedMedia for parts that are no media, and NotMade.
    """
    clips = [await _read(part) for part in parts]
    film = next((clip for clip in clips if clip.media.has_video and not want.only_sound), None)
    sound = next((clip for clip in reversed(clips) if clip.media.has_audio), None)
    longest = film or sound
    if longest is None:
        raise UnsupportedMedia("There is no sound in it.")
    if _is_right(clips, want):
        return longest
    suffix = _suffix(want.form, film, sound)
    target = longest.path.with_name(f"whole.{suffix}")
    output = _output(film, sound, want.form, target)
    await run(
        output, work_dir=target.parent, duration_s=max(longest.seconds, 0.1),
        time_limit_s=START_S + SLOWEST * longest.seconds, on_progress=on_progress,
    )
    return Clip(target, await probe(target, kinds=FILM_OR_SOUND))


async def _read(part: Path) -> Clip:
    """The part as a clip; a transport stream is first laid into a container that is read elsewhere too."""
    if _is_transport_stream(part):
        source = ffmpeg.input(
            f"file:{part}", f="mpegts", format_whitelist="mpegts", codec_whitelist=",".join(DECODERS),
            protocol_whitelist="file",
        )
        part = part.with_name(f"{part.name}.mp4")
        output = ffmpeg.output(source, f"file:{part}", f="mp4", map_metadata=-1, **COPY)
        await run(output, work_dir=part.parent, duration_s=1, time_limit_s=START_S * SLOWEST)
    return Clip(part, await probe(part, kinds=FILM_OR_SOUND))


def _is_transport_stream(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(TS_PACKET * TS_PACKETS)
    return len(head) == TS_PACKET * TS_PACKETS and set(head[::TS_PACKET]) == {TS_SYNC}


def _is_right(clips: Sequence[Clip], want: Want) -> bool:
    """Whether what came is a file that can be handed on as it is."""
    (first, *others) = clips
    if others or (want.only_sound and first.media.has_video):
        return False
    return want.form is Form.BEST or (want.form is Form.MP3 and first.media.container == "mp3")


def _suffix(form: Form, film: Clip | None, sound: Clip | None) -> str:
    if form is not Form.BEST:
        return form.value
    codecs = {film.media.video_codec if film else None, sound.media.audio_codec if sound else None}
    return next((name for name, held in CONTAINERS.items() if codecs <= held), "mkv")


def _output(film: Clip | None, sound: Clip | None, form: Form, target: Path) -> ffmpeg.Stream:
    """The graph that writes the target: copies, but for what an MP4 or MP3 cannot be."""
    streams, encoding = [], dict[str, object](vcodec="copy", acodec="copy")
    if film is not None:
        picture = media_input(film.path).video
        if form is Form.MP4 and film.media.video_codec != "h264":
            picture, encoding = picture.filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2"), encoding | H264
        streams.append(picture)
    if sound is not None:
        streams.append(media_input(sound.path).audio)
        if form is Form.MP3 or (form is Form.MP4 and sound.media.audio_codec != "aac"):
            encoding |= MP3 if form is Form.MP3 else AAC
    if target.suffix == ".mp4":
        encoding["movflags"] = "+faststart"
    muxer = {".mkv": "matroska"}.get(target.suffix, target.suffix[1:])
    return ffmpeg.output(*streams, f"file:{target}", f=muxer, map_metadata=-1, **encoding)
