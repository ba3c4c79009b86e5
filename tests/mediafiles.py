"""Media for tests, made by FFmpeg and Pillow."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
from PIL import Image, ImageDraw

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:duration=2")


def ffmpeg(*arguments: str | Path) -> None:
    """Run FFmpeg, loudly when it fails."""
    subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def film(path: Path, *options: str, sound: bool = True) -> Path:
    """A film of 2 s with 25 pictures of 160 × 120 a second, in the container that the name says."""
    ffmpeg(*PICTURE, *(SOUND if sound else ()), *options, path)
    return path


def sound(path: Path, *options: str, seconds: float = 2, frequency: int = 440) -> Path:
    """A tone, in the container that the name says."""
    ffmpeg("-f", "lavfi", "-i", f"sine=frequency={frequency}:duration={seconds}", *options, path)
    return path


def picture(path: Path, size: tuple[int, int] = (160, 120), mode: str = "RGB", exif: Image.Exif | bytes = b"") -> Path:
    """A picture with a mark in its upper left corner, in the format that the name says."""
    image = Image.new("RGB", size, "navy")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 4, size[1] // 4), fill="yellow")
    image = image.convert(mode)
    if exif:
        image.save(path, exif=exif)
    else:
        image.save(path)
    return path
