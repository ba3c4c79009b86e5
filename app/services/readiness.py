"""Asking every part whether it can be used."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import text

from app.db.migrate import head_revision
from app.services.broker import Broker

log = structlog.get_logger()

WITHIN_S = 3.0


@dataclass(frozen=True)
class Readiness:
    """`parts` says ok or down for each; Redis alone may be down."""

    parts: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        return all(state == "ok" for part, state in self.parts.items() if part != "redis")

    @property
    def status(self) -> str:
        if not self.is_ready:
            return "down"
        return "ok" if self.parts["redis"] == "ok" else "degraded"


async def check_readiness(broker: Broker) -> Readiness:
    """Postgres with the schema that this code needs, the store, Redis."""
    checks = {"postgres": _check_schema(broker), "storage": broker.storage.check(), "redis": broker.limiter.ping()}
    states = await asyncio.gather(*(_state(part, check) for part, check in checks.items()))
    return Readiness(dict(zip(checks, states, strict=True)))


async def _state(part: str, check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(WITHIN_S):
            await check
    except Exception as error:  # noqa: BLE001 - whatever it is, the part cannot be used
        log.warning("part.down", part=part, error=repr(error))
        return "down"
    return "ok"


async def _check_schema(broker: Broker) -> None:
    async with broker.db.statement() as db:
        found = await db.scalar(text("SELECT version_num FROM alembic_version"))
    if found != head_revision():
        raise RuntimeError(f"the schema is at {found}, this code needs {head_revision()}: run `phaya migrate`")
