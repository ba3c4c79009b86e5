"""Taking a client's upload: with an `Idempotency-Key` the same file twice is one file."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.files.models import FileRole, StoredFile
from app.files.register import load_files
from app.jobs.models import IdempotencyKey
from app.media.formats import Kinds
from app.services.broker import Broker
from app.services.job_writer import Idempotency, reused_key
from app.services.keep_files import keep_bytes, register_bytes

KINDS = Kinds.IMAGE | Kinds.VIDEO | Kinds.AUDIO

# A key that has expired, or whose file is gone, is taken over; one in force is left alone, and nothing is written.
CLAIM = text("""
INSERT INTO idempotency_keys (account_id, route, key, body_hash, response, expires_at)
VALUES (:account_id, :route, :key, :body_hash, jsonb_build_object('file_id', CAST(:file_id AS text)),
        now() + interval '7 days')
ON CONFLICT (account_id, route, key) DO UPDATE
   SET body_hash = EXCLUDED.body_hash, job_id = NULL, response = EXCLUDED.response, created_at = now(),
       expires_at = EXCLUDED.expires_at
 WHERE idempotency_keys.expires_at <= now()
    OR EXISTS (SELECT FROM files f
                WHERE f.id = CAST(idempotency_keys.response ->> 'file_id' AS uuid) AND f.deleted_at IS NOT NULL)
RETURNING 1
""")


@dataclass(frozen=True)
class Upload:
    """A received file. Its name and its bytes are what makes it the same: a repeated form has another boundary."""

    path: Path
    filename: str
    size: int
    sha256: str

    @property
    def identity(self) -> bytes:
        """What is compared where the same key comes again."""
        return f"{self.sha256} {self.filename}".encode()


class _Known(Exception):
    """Somebody has stored it under this key meanwhile."""


async def keep_upload(
    broker: Broker, upload: Upload, *, account_id: UUID, key: str | None, route: str
) -> tuple[StoredFile, bool]:
    """The stored file, and whether it is that of an earlier request with the same key.

    Raises UnsupportedMedia, and Invalid for a key that stands for another file.
    """
    idempotency = None if key is None else Idempotency.of(route, key, upload.identity)
    if idempotency is not None and (earlier := await _find(broker, account_id, idempotency)) is not None:
        return earlier, True
    stored = await keep_bytes(broker, upload.path, kinds=KINDS, size=upload.size, sha256=upload.sha256)
    try:
        async with broker.db.transaction() as db:
            file = await register_bytes(
                db, stored, account_id=account_id, role=FileRole.UPLOAD, name=upload.filename,
                keep_days=broker.settings.retention_days,
            )
            if idempotency is not None:
                await _claim(db, account_id, idempotency, file)
    except _Known:
        await broker.storage.delete(stored.storage_key)
        assert idempotency is not None
        earlier = await _find(broker, account_id, idempotency)
        assert earlier is not None
        return earlier, True
    return file, False


async def _claim(db: AsyncSession, account_id: UUID, idempotency: Idempotency, file: StoredFile) -> None:
    values = {
        "account_id": account_id, "route": idempotency.route, "key": idempotency.key, "file_id": str(file.id),
        "body_hash": bytes.fromhex(idempotency.body_hash),
    }
    if await db.scalar(CLAIM, values) is None:
        raise _Known


async def _find(broker: Broker, account_id: UUID, idempotency: Idempotency) -> StoredFile | None:
    query = select(IdempotencyKey).where(
        IdempotencyKey.account_id == account_id, IdempotencyKey.route == idempotency.route,
        IdempotencyKey.key == idempotency.key, IdempotencyKey.expires_at > text("now()"),
    )
    async with broker.db.statement() as db:
        known = await db.scalar(query)
        if known is None:
            return None
        if known.body_hash != bytes.fromhex(idempotency.body_hash):
            raise reused_key()
        assert known.response is not None
        found = await load_files(db, [UUID(str(known.response["file_id"]))])
    return next((file for file in found if file.deleted_at is None), None)
