"""Makes media off the event loop, each file once: pictures in threads, films one at a time with FFmpeg."""

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.sandbox.media.films import marked, render
from app.sandbox.media.pictures import draw
from app.sandbox.media.specs import Clip, Media, Picture, Track

CACHE_BYTES = 64 * 1024 * 1024


class Studio:
    """Threads, a bounded cache in memory, and a folder of the films that were made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pictures = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
        # One film at a time: a machine of two cores has other work to do.
        self._films = ThreadPoolExecutor(max_workers=1, thread_name_prefix="films")
        self._making: dict[Media, asyncio.Future[bytes]] = {}
        self._made: OrderedDict[Media, bytes] = OrderedDict()
        self._size = 0

    async def make(self, media: Media, mark: str) -> bytes:
        """The file; films bear the mark of their task."""
        made = self._made.get(media)
        file = await asyncio.shield(self._begin(media)) if made is None else made
        return file if isinstance(media, Picture) else marked(file, media, mark)

    def prepare(self, media: Media) -> None:
        """Begin a film that will be asked for. Pictures are made in no time."""
        if not isinstance(media, Picture) and media not in self._made:
            self._begin(media)

    def close(self) -> None:
        """Make no more."""
        self._pictures.shutdown(cancel_futures=True)
        self._films.shutdown(cancel_futures=True)

    def _begin(self, media: Media) -> asyncio.Future[bytes]:
        if media not in self._making:
            loop = asyncio.get_running_loop()
            future = (
                loop.run_in_executor(self._pictures, draw, media)
                if isinstance(media, Picture)
                else loop.run_in_executor(self._films, self._film, media)
            )
            self._making[media] = future
            future.add_done_callback(lambda done: self._keep(media, done))
        return self._making[media]

    def _film(self, media: Clip | Track) -> bytes:
        name = hashlib.sha256(repr(media).encode()).hexdigest()[:24]
        file = self._folder / f"{name}.{media.extension}"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_stem(f"{name}-unfinished")
            render(media, unfinished)
            unfinished.rename(file)
        return file.read_bytes()

    def _keep(self, media: Media, done: asyncio.Future[bytes]) -> None:
        del self._making[media]
        if done.cancelled() or done.exception():
            return
        self._made[media] = done.result()
        self._size += len(done.result())
        while self._size > CACHE_BYTES:
            self._size -= len(self._made.popitem(last=False)[1])
