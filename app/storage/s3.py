"""Files in an S3-compatible bucket, through obstore (the Rust `object_store`: asynchronous, without boto's threads)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from pydantic import SecretStr

from app.errors import StorageFailed
from app.storage.disk import disk_errors, removed_unless_whole
from app.storage.port import check_key

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult
    from obstore.store import S3Config, S3Credential

CHUNK_BYTES = 256 * 1024
# Larger files go up in parts of this size, so a put holds at most PARTS_AT_ONCE of them in memory.
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 4
CHECK_TIMEOUT_S = 5


@contextmanager
def bucket_errors(*others: type[Exception]) -> Iterator[None]:
    """Turn the bucket's errors, and `others`, into StorageFailed.

    FileNotFoundError passes where it is an answer; where no file was asked for, it says that there is no such bucket.
    """
    failures: tuple[type[Exception], ...] = (BaseError, TimeoutError, *others)
    try:
        yield
    except failures as error:
        raise StorageFailed("The file store does not work; try again later") from error


class S3Storage:
    """One bucket, addressed by path. Plain http is used only if `endpoint` says so.

    Without keys, those of the machine are used (AWS's own environment variables or instance role). The parts of a large
    file whose process was killed stay in the bucket, unseen, until its lifecycle rule for incomplete uploads ends them.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None,
        region: str,
        access_key: SecretStr | None,
        secret_key: SecretStr | None,
    ) -> None:
        """Ready for use; nothing is sent yet."""
        # Deleting many at once is the one call here that many S3-compatible stores do not have.
        config: S3Config = {"region": region, "disable_bulk_delete": True}
        if endpoint:
            config["endpoint"] = endpoint

        def connect(timeout: timedelta) -> S3Store:
            return S3Store(
                bucket,
                config=config,
                client_options={
                    "allow_http": bool(endpoint and endpoint.startswith("http://")),
                    "connect_timeout": timedelta(seconds=5),
                    "read_timeout": timedelta(seconds=30),
                    "timeout": timeout,
                },
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
                credential_provider=static_credentials(access_key, secret_key),
            )

        self._store = connect(timedelta(minutes=2))
        # A download lasts as long as our own client takes; silence of the bucket is bounded by `read_timeout`.
        self._reader = connect(timedelta(hours=6))

    async def put(self, key: str, source: Path, *, content_type: str) -> None:
        """See Storage."""
        if not await asyncio.to_thread(source.is_file):
            raise FileNotFoundError(source)
        with bucket_errors(FileNotFoundError):
            await obstore.put_async(
                self._store,
                check_key(key),
                source,
                attributes={"Content-Type": content_type},
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """See Storage."""
        with bucket_errors():
            found = await obstore.get_async(self._reader, check_key(key), options=byte_range(start, end))
        async with aclosing(read_chunks(found)) as chunks:
            yield chunks

    async def size(self, key: str) -> int:
        """See Storage."""
        with bucket_errors():
            return (await obstore.head_async(self._store, check_key(key)))["size"]

    async def fetch_to(self, key: str, target: Path) -> None:
        """See Storage."""
        async with self.open(key) as chunks:
            with disk_errors(), removed_unless_whole(target), await asyncio.to_thread(target.open, "wb") as sink:
                async for chunk in chunks:
                    await asyncio.to_thread(sink.write, chunk)

    async def delete(self, key: str) -> None:
        """See Storage."""
        with suppress(FileNotFoundError), bucket_errors():
            await obstore.delete_async(self._store, check_key(key))

    async def check(self) -> None:
        """See Storage. A listing of nothing tells a missing bucket from a missing file, which a read cannot."""
        with bucket_errors(FileNotFoundError):
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await obstore.list_with_delimiter_async(self._store, "check")


def static_credentials(access_key: SecretStr | None, secret_key: SecretStr | None) -> Callable[[], S3Credential] | None:
    """The settings' keys, alone: given as a provider they shut out AWS variables that happen to be set."""
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        raise ValueError("PHAYA_S3_ACCESS_KEY and PHAYA_S3_SECRET_KEY: one of the two is missing")
    credentials: S3Credential = {
        "access_key_id": access_key.get_secret_value(),
        "secret_access_key": secret_key.get_secret_value(),
        "token": None,
        "expires_at": None,
    }
    return lambda: credentials


def byte_range(start: int, end: int | None) -> GetOptions:
    """The request for these bytes; for a whole file no range, since an empty one has none."""
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else {}


async def read_chunks(found: GetResult) -> AsyncGenerator[bytes]:
    """The body, as it comes in."""
    with bucket_errors():
        async for chunk in found.stream(CHUNK_BYTES):
            yield chunk
