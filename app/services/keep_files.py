"""Files of the broker: taking bytes into the store, and getting them out for work."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.files import register
from app.files.models import FileRole, StoredFile
from app.media.formats import Kinds
from app.media.probe import MediaInfo, probe
from app.services.broker import Broker
from app.storage import new_key

# Inputs are needed for as long as their job can run, and a little longer for whoever looks into a complaint.
INPUT_KEEP_DAYS = 7


@dataclass(frozen=True)
class Bytes:
    """A file's bytes in the store, before anybody can reach them."""

    storage_key: str
    media: MediaInfo
    size: int
    sha256: str


async def keep_bytes(
    broker: Broker, path: Path, *, kinds: Kinds, size: int, sha256: str, media: MediaInfo | None = None
) -> Bytes:
    """Probe a file and store its bytes durably. Raises UnsupportedMedia for what `kinds` does not name.

    `media` is what a probe for these kinds has said of it already, where one was made.
    """
    media = media or await probe(path, kinds=kinds)
    key = new_key(register.SUFFIXES.get(media.content_type, ""))
    await broker.storage.put(key, path, content_type=media.content_type)
    return Bytes(key, media, size, sha256)


async def register_bytes(
    db: AsyncSession, stored: Bytes, *, account_id: UUID, role: FileRole, name: str, keep_days: int | None,
    job_id: UUID | None = None,
) -> StoredFile:
    """Give stored bytes an address, in the caller's transaction."""
    return await register.add_file(
        db, account_id=account_id, job_id=job_id, role=role, storage_key=stored.storage_key, filename=name,
        content_type=stored.media.content_type, size=stored.size, sha256=bytes.fromhex(stored.sha256),
        media=asdict(stored.media), keep_days=keep_days,
    )


async def keep_file(
    broker: Broker,
    path: Path,
    *,
    account_id: UUID,
    role: FileRole,
    kinds: Kinds,
    name: str,
    size: int,
    sha256: str,
    job_id: UUID | None = None,
    media: MediaInfo | None = None,
) -> StoredFile:
    """As `keep_bytes`, then register it. Raises UnsupportedMedia for what `kinds` does not name.

    Bytes whose registration fails are left in the store without an address; nobody can reach them.
    """
    stored = await keep_bytes(broker, path, kinds=kinds, size=size, sha256=sha256, media=media)
    keep_days = INPUT_KEEP_DAYS if role is FileRole.INPUT else broker.settings.retention_days
    async with broker.db.transaction() as db:
        return await register_bytes(
            db, stored, account_id=account_id, job_id=job_id, role=role, name=name, keep_days=keep_days
        )


def media_of(file: StoredFile) -> MediaInfo:
    """What the probe said when the file was stored."""
    return MediaInfo(**file.media)


def result_of(files: list[StoredFile], values: Mapping[str, object]) -> dict[str, object]:
    """A job's result as it is kept: where its files are, and its values."""
    return {
        "files": [{"path": register.file_path(file), "content_type": file.content_type} for file in files],
        "values": dict(values),
    }
