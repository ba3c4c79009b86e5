"""Taking from a film what was asked for: its beginning, its middle, its sound. The files have not been probed yet."""

from pathlib import Path

import ffmpeg

from app.media.ffmpeg import AAC, H264, media_input, run

TIME_LIMIT_S = 300
# For telling how far the work is, which nobody asks here.
DURATION_S = 60.0


async def cut_film(source: Path, target: Path, *, seconds: float | None = None, is_square: bool = False) -> None:
    """The first seconds of a film, the square in its middle, or both, as MP4. Raises UnsupportedMedia, NotMade.

    A film that is only shortened keeps its pictures as they are, and may end some of them late.
    """
    film = media_input(source)
    picture = film.video.filter("crop", "min(iw,ih)", "min(iw,ih)").filter("setsar", 1) if is_square else film.video
    options: dict[str, object] = {**H264} if is_square else {"vcodec": "copy", "movflags": "+faststart"}
    if seconds is not None:
        options["t"] = seconds
    sound = {"acodec": "copy", "map": "0:a?"}
    output = ffmpeg.output(picture, f"file:{target}", f="mp4", **options, **sound)
    await run(output, work_dir=target.parent, duration_s=DURATION_S, time_limit_s=TIME_LIMIT_S)


async def take_sound(source: Path, target: Path) -> None:
    """A film's sound as AAC in an M4A file. Raises UnsupportedMedia, and NotMade for a film that has none."""
    output = ffmpeg.output(media_input(source).audio, f"file:{target}", f="ipod", movflags="+faststart", **AAC)
    await run(output, work_dir=target.parent, duration_s=DURATION_S, time_limit_s=TIME_LIMIT_S)
