"""Renders the frames of a Ken Burns film and pipes them to FFmpeg, which it starts. Run in the jail by kenburns.py.

Arguments: the job as JSON, then FFmpeg's command line, which reads YUV4MPEG from its standard input. Prints the number
of frames done, line by line, and ends as FFmpeg ends.
"""

import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from app.media.motion import FPS, KenBurns
from app.media.pictures import Picture

THREADS = 2


def main() -> None:
    """Render the film that argv asks for."""
    job = json.loads(sys.argv[1])
    spec = KenBurns(**job["spec"])
    picture = Picture.load(Path(job["image"]), job["container"], max_scale=spec.scale(spec.frames - 1))
    with subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        width, height = picture.size
        encoder.stdin.write(f"YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for done, frame in enumerate(_frames(picture, spec), start=1):
            encoder.stdin.write(b"FRAME\n" + frame)
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()
    sys.exit(encoder.returncode)


def _frames(picture: Picture, spec: KenBurns) -> Iterator[bytes]:
    """The frames in order, rendered some ahead in threads. Frames that show the same are rendered once."""
    with ThreadPoolExecutor(THREADS) as pool:
        ahead: deque[Future[bytes]] = deque()
        shown = None
        for number in range(spec.frames):
            window = spec.window(number)
            ahead.append(ahead[-1] if ahead and window == shown else pool.submit(picture.frame, window))
            shown = window
            if len(ahead) > THREADS:
                yield ahead.popleft().result()
        yield from (frame.result() for frame in ahead)


if __name__ == "__main__":
    main()
