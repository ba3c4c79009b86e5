"""Makes media off the event loop, each file once."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from app.sandbox.media.pictures import draw
from app.sandbox.media.specs import Picture

CACHE_BYTES = 64 * 1024 * 1024


class Studio:
    """A small pool of threads and a bounded cache."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="studio")
        self._made: OrderedDict[Picture, bytes] = OrderedDict()
        self._size = 0

    async def make(self, media: Picture) -> bytes:
        """The file."""
        if media in self._made:
            self._made.move_to_end(media)
            return self._made[media]
        file = await asyncio.get_running_loop().run_in_executor(self._pool, draw, media)
        self._keep(media, file)
        return file

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def _keep(self, media: Picture, file: bytes) -> None:
        if media in self._made:
            return
        self._made[media] = file
        self._size += len(file)
        while self._size > CACHE_BYTES:
            self._size -= len(self._made.popitem(last=False)[1])
