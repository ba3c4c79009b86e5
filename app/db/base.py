"""The declarative base, with named constraints, and the column types that every table shares."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import DateTime, Enum, MetaData, Numeric, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

# Credits: exact decimals of nine places. A float exists only while JSON is written.
CREDITS = Numeric(20, 9)

CreditsColumn = Annotated[Decimal, mapped_column(CREDITS)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Id = Annotated[UUID, mapped_column(primary_key=True)]
Json = Annotated[dict[str, object], mapped_column(JSONB)]

NEVER = text("'-infinity'::timestamptz")


class Base(DeclarativeBase):
    """Tables live with their owner; across packages only ids and foreign keys, no relationships."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it off the class
        str: Text,
        # Enumerations are kept as the words they are, so that a new word needs no ALTER TYPE.
        enum.Enum: Enum(enum.Enum, native_enum=False, length=20, values_callable=lambda kind: [m.value for m in kind]),
    }
