"""Films and sounds put together with FFmpeg: joined, mixed, laid over one another; and the last picture of a film.

Every function writes `target` and raises NotMade. Inputs have been probed; what one lacks (sound, a rate, a size of
its own) is made up so that the result is one even film.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from app.errors import NotMade
from app.media.ffmpeg import AAC, H264, OnProgress, media_input, run
from app.media.probe import MediaInfo

RATE = 48_000
FPS_MOST = 60.0
FPS_USUAL = 30.0
SIDE_MOST = 1_920
CROSSFADE_S = 0.5
COPY: dict[str, object] = {"vcodec": "copy", "movflags": "+faststart"}
# Encoding runs at about the speed of the film here; on a slow and busy machine it may take twenty times as long.
START_S = 60.0
SLOWEST = 20.0


@dataclass(frozen=True)
class Clip:
    """A probed file in the work folder."""

    path: Path
    media: MediaInfo

    @property
    def seconds(self) -> float:
        return self.media.duration_s or 0.0


async def join_films(
    clips: Sequence[Clip], target: Path, *, crossfade: bool, on_progress: OnProgress | None = None
) -> None:
    """Clips one after the other, in the first one's size and rate; others are fitted in with bars.

    A clip without sound is silent, unless none has any. With `crossfade` each melts into the next for half a second,
    or less where a clip is shorter than two of those.
    """
    width, height = _canvas(clips[0].media)
    fps = min(clips[0].media.fps or FPS_USUAL, FPS_MOST)
    has_sound = any(clip.media.has_audio for clip in clips)
    pictures = [_picture(clip, width, height, fps) for clip in clips]
    sounds = [_sound(clip) for clip in clips]
    fade = min(CROSSFADE_S, *(clip.seconds / 2 for clip in clips)) if crossfade and len(clips) > 1 else 0.0
    seconds = sum(clip.seconds for clip in clips) - fade * (len(clips) - 1)
    if fade:
        picture, sound = _melted(clips, pictures, sounds, fade)
    else:
        pieces = [stream for pair in zip(pictures, sounds, strict=True) for stream in pair]
        joined = ffmpeg.concat(*pieces, v=1, a=1).node
        picture, sound = joined[0], joined[1]
    if not has_sound:
        output = ffmpeg.output(ffmpeg.concat(*pictures, v=1, a=0) if not fade else picture, f"file:{target}", f="mp4",
                               map_metadata=-1, **H264)
    else:
        output = ffmpeg.output(picture, sound, f"file:{target}", f="mp4", map_metadata=-1, **H264, **AAC)
    await _run(output, target, seconds, on_progress)


def _canvas(media: MediaInfo) -> tuple[int, int]:
    assert media.width is not None
    assert media.height is not None
    shrink = min(1.0, SIDE_MOST / max(media.width, media.height))
    return max(2, round(media.width * shrink) // 2 * 2), max(2, round(media.height * shrink) // 2 * 2)


def _picture(clip: Clip, width: int, height: int, fps: float) -> ffmpeg.Stream:
    """The clip's picture, on the canvas, at the rate, exactly as long as the clip."""
    return (
        media_input(clip.path).video
        .filter("scale", width, height, force_original_aspect_ratio="decrease")
        .filter("pad", width, height, "(ow-iw)/2", "(oh-ih)/2")
        .filter("setsar", 1)
        .filter("fps", fps)
        .filter("format", "yuv420p")
        .filter("settb", "AVTB")
        .filter("setpts", "PTS-STARTPTS")
        .filter("tpad", stop_mode="clone", stop_duration=clip.seconds)
        .filter("trim", end=clip.seconds)
    )


def _sound(clip: Clip) -> ffmpeg.Stream:
    """The clip's sound, exactly as long as the clip; silence where it has none."""
    if not clip.media.has_audio:
        return ffmpeg.input(f"anullsrc=r={RATE}:cl=stereo", f="lavfi", t=clip.seconds).audio
    return _fitted(media_input(clip.path).audio, clip.seconds)


def _fitted(sound: ffmpeg.Stream, seconds: float) -> ffmpeg.Stream:
    """Sound in one format, cut or followed by silence so that it lasts so long."""
    return _even(sound).filter("apad", whole_dur=seconds).filter("atrim", end=seconds)


def _even(sound: ffmpeg.Stream) -> ffmpeg.Stream:
    return (
        sound.filter("aresample", RATE)
        .filter("aformat", sample_fmts="fltp", sample_rates=RATE, channel_layouts="stereo")
        .filter("asetpts", "PTS-STARTPTS")
    )


def _melted(
    clips: Sequence[Clip], pictures: Sequence[ffmpeg.Stream], sounds: Sequence[ffmpeg.Stream], fade: float
) -> tuple[ffmpeg.Stream, ffmpeg.Stream]:
    picture, sound = pictures[0], sounds[0]
    end = clips[0].seconds
    for clip, next_picture, next_sound in zip(clips[1:], pictures[1:], sounds[1:], strict=True):
        picture = ffmpeg.filter(
            [picture, next_picture], "xfade", transition="fade", duration=fade, offset=end - fade
        )
        sound = ffmpeg.filter([sound, next_sound], "acrossfade", d=fade)
        end += clip.seconds - fade
    return picture, sound


async def add_sound(
    film: Clip, sound: Clip, target: Path, *, replace: bool, volume: float, on_progress: OnProgress | None = None
) -> None:
    """A film with a sound, as long as the film: the sound is cut or followed by silence.

    With `replace` the film's own sound goes, else the two are mixed. `volume` is the new sound's, 1 as it is.
    """
    source = media_input(film.path)
    track = _fitted(media_input(sound.path).audio.filter("volume", volume), film.seconds)
    if not replace and film.media.has_audio:
        own = _fitted(source.audio, film.seconds)
        track = ffmpeg.filter([own, track], "amix", inputs=2, duration="first", normalize=0)
        track = track.filter("alimiter", limit=0.95, level=0)
    # A picture that every player takes stays as it is, to the last bit.
    if film.media.video_codec == "h264" and film.media.container in ("mp4", "mov") and not film.media.rotation:
        picture, encoding = source.video, COPY
    else:
        width, height = _canvas(film.media)
        picture, encoding = source.video.filter("scale", width, height).filter("setsar", 1), H264
    output = ffmpeg.output(picture, track, f"file:{target}", f="mp4", map_metadata=-1, **encoding, **AAC)
    await _run(output, target, film.seconds, on_progress)


async def join_sounds(
    sounds: Sequence[Clip], target: Path, *, mix: bool, on_progress: OnProgress | None = None
) -> None:
    """Sounds one after the other, or all at once (as long as the longest), as an MP3."""
    tracks = [_even(media_input(sound.path).audio) for sound in sounds]
    if mix:
        joined = ffmpeg.filter(tracks, "amix", inputs=len(tracks), duration="longest", normalize=0)
        joined = joined.filter("alimiter", limit=0.95, level=0)
        seconds = max(sound.seconds for sound in sounds)
    else:
        joined = ffmpeg.concat(*tracks, v=0, a=1)
        seconds = sum(sound.seconds for sound in sounds)
    output = ffmpeg.output(
        joined, f"file:{target}", f="mp3", acodec="libmp3lame", audio_bitrate="192k", map_metadata=-1
    )
    await _run(output, target, seconds, on_progress)


PLACES = {
    "top_left": ("{m}", "{m}"),
    "top_right": ("W-w-{m}", "{m}"),
    "bottom_left": ("{m}", "H-h-{m}"),
    "bottom_right": ("W-w-{m}", "H-h-{m}"),
    "center": ("(W-w)/2", "(H-h)/2"),
}


async def overlay(
    film: Clip, picture: Clip, target: Path, *, place: str, scale: float, start_s: float, end_s: float | None,
    on_progress: OnProgress | None = None,
) -> None:
    """A picture over a film, transparent where it is; an animation runs again and again from `start_s` on.

    `scale` is the picture's share of the film's width; `end_s` None leaves it to the end.
    """
    width, height = _canvas(film.media)
    end = min(film.seconds, film.seconds if end_s is None else end_s)
    source = media_input(film.path)
    options: dict[str, str | float] = {"stream_loop": -1} if (picture.media.frames or 1) > 1 else {}
    shown = (
        media_input(picture.path, **options).video
        .filter("format", "rgba")
        .filter("scale", max(2, round(width * scale)), -1)
        .filter("trim", end=max(0.1, end - start_s))
        .filter("setpts", f"PTS-STARTPTS+{start_s}/TB")
    )
    x, y = (axis.format(m=round(width * 0.02)) for axis in PLACES[place])
    base = source.video.filter("scale", width, height).filter("setsar", 1)
    film_out = ffmpeg.overlay(base, shown, x=x, y=y, eof_action="repeat", enable=f"between(t,{start_s},{end})")
    streams = [film_out, source.audio] if film.media.has_audio else [film_out]
    sound = AAC if film.media.has_audio else {}
    output = ffmpeg.output(*streams, f"file:{target}", f="mp4", map_metadata=-1, **H264, **sound)
    await _run(output, target, film.seconds, on_progress)


# Where an index lies about the end, the last picture is looked for from further and further back.
LOOK_BACK_S = (2.0, 20.0)


async def last_frame(film: Clip, target: Path) -> None:
    """The film's last picture, upright; a JPEG or PNG by the target's suffix."""
    look_backs = [*(max(0.0, film.seconds - back) for back in LOOK_BACK_S), 0.0]
    encoding = {"vcodec": "png"} if target.suffix == ".png" else {"vcodec": "mjpeg", "q:v": 2, "pix_fmt": "yuvj420p"}
    for start in dict.fromkeys(look_backs):
        source = media_input(film.path, ss=start)
        # Each picture replaces the one before: what is left is the last.
        output = ffmpeg.output(source.video, f"file:{target}", f="image2", update=1, fps_mode="passthrough", **encoding)
        await _run(output, target, max(0.1, film.seconds - start), None)
        if target.exists():  # noqa: ASYNC240
            return
    raise NotMade("The film has no picture at its end.")


async def _run(output: ffmpeg.Stream, target: Path, seconds: float, on_progress: OnProgress | None) -> None:
    await run(
        output, work_dir=target.parent, duration_s=max(seconds, 0.1), time_limit_s=START_S + SLOWEST * seconds,
        on_progress=on_progress,
    )
