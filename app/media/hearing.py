"""Sound made small for a recogniser."""

from pathlib import Path

import ffmpeg

from app.media.ffmpeg import media_input, run


async def extract_speech(source: Path, target: Path, *, duration_s: float) -> None:
    """The sound of a film or a sound file as MP3, mono, 16 kHz, 64 kbit/s: 28.8 MB an hour. Raises NotMade."""
    sound = media_input(source).audio
    output = ffmpeg.output(sound, f"file:{target}", f="mp3", acodec="libmp3lame", ac=1, ar=16_000, audio_bitrate="64k")
    await run(output, work_dir=target.parent, duration_s=duration_s, time_limit_s=60 + duration_s / 4)
