"""Registering stored files and finding them by the token in their address."""

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.ids import new_id
from app.files.models import FileRole, StoredFile

ADDRESS = re.compile(r"/files/([A-Za-z0-9_-]{32})/[^/]*")
SUFFIXES = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp",
    "video/mp4": ".mp4", "video/quicktime": ".mov", "video/webm": ".webm", "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi", "audio/mpeg": ".mp3", "audio/wav": ".wav", "audio/mp4": ".m4a", "audio/aac": ".aac",
    "audio/ogg": ".ogg", "audio/flac": ".flac",
}


def file_path(file: StoredFile) -> str:
    """The path of the file's public address: unguessable, and named so that players and savers know the type."""
    return f"/files/{file.token}/{file.filename}"


def token_in(url: str) -> str | None:
    """The token, if this address has the shape of ours. Whether it is ours the register decides."""
    match = ADDRESS.fullmatch(urlsplit(url).path)
    return match[1] if match else None


def safe_filename(name: str, content_type: str) -> str:
    """A name of letters, digits, dots and dashes, with the suffix of its real type."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(name.replace("\\", "/")).stem).strip(".-")[:80]
    return (stem or "file") + SUFFIXES.get(content_type, ".bin")


async def add_file(
    db: AsyncSession,
    *,
    account_id: UUID,
    role: FileRole,
    storage_key: str,
    filename: str,
    content_type: str,
    size: int,
    sha256: bytes,
    media: Mapping[str, object],
    job_id: UUID | None = None,
    keep_days: int | None = None,
) -> StoredFile:
    """Register bytes that are stored already. `keep_days` None keeps them for ever."""
    file = StoredFile(
        id=new_id(), token=secrets.token_urlsafe(24), account_id=account_id, job_id=job_id, role=role,
        storage_key=storage_key, filename=safe_filename(filename, content_type), content_type=content_type, size=size,
        sha256=sha256, media=dict(media),
        expires_at=None if keep_days is None else func.now() + timedelta(days=keep_days),
    )
    db.add(file)
    await db.flush()
    return file


async def find_by_token(db: AsyncSession, token: str) -> StoredFile | None:
    """The file behind a public address, if it is still kept."""
    return await db.scalar(select(StoredFile).where(StoredFile.token == token, StoredFile.deleted_at.is_(None)))


async def load_files(db: AsyncSession, ids: Sequence[UUID]) -> list[StoredFile]:
    """Files by id, in the order asked."""
    rows = await db.scalars(select(StoredFile).where(StoredFile.id.in_(ids)))
    found = {file.id: file for file in rows}
    return [found[file_id] for file_id in ids if file_id in found]


async def take_expired(db: AsyncSession, *, limit: int) -> Sequence[StoredFile]:
    """Mark files past their time as deleted and answer them; their bytes are the caller's to remove."""
    due = (
        select(StoredFile.id)
        .where(StoredFile.deleted_at.is_(None), StoredFile.expires_at <= func.now())
        .order_by(StoredFile.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = (await db.scalars(due)).all()
    await db.execute(update(StoredFile).where(StoredFile.id.in_(ids)).values(deleted_at=func.now()))
    return await load_files(db, ids)
