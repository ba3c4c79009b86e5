"""Files and where their bytes lie."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, Id


class FileRole(StrEnum):
    """Why we keep it."""

    UPLOAD = "upload"
    INPUT = "input"
    RESULT = "result"


class StoredFile(Base):
    """One stored file. `token` is the unguessable part of its public address; `media` is what the probe measured."""

    __tablename__ = "files"
    __table_args__ = (
        Index("files_job_idx", "job_id"),
        Index("files_expiry_idx", "expires_at", postgresql_where=text("deleted_at IS NULL AND expires_at IS NOT NULL")),
    )

    id: Mapped[Id]
    token: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    role: Mapped[FileRole]
    storage_key: Mapped[str]
    filename: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    media: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
