"""Bring the schema up to date, and give the serving role what it may do, and no more."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

SCRIPTS = Path(__file__).parent.parent.parent / "migrations"

# Money and what was done are added to, never rewritten. A trigger stands behind these grants.
APPEND_ONLY = ("ledger_entries", "admin_acts", "rate_changes", "job_events")
# The only rows that the processes ever delete.
DELETABLE = ("idempotency_keys",)
# One migration at a time, however many are started.
MIGRATION_LOCK = 7_265_011


def alembic_config() -> Config:
    """Alembic's settings, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d_%%(slug)s")
    return config


def head_revision() -> str:
    """The newest revision that this code knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None
    return head


async def upgrade(owner_url: str, serving_url: str | None = None) -> None:
    """Run all migrations as the owner of the schema, then grant the role of `serving_url` its rights.

    The serving role is made if it does not exist, with the password that its URL holds. Where both URLs name the same
    role there is nothing to grant.
    """
    engine = create_async_engine(owner_url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            await connection.run_sync(_run_migrations)
            if serving_url:
                await connection.run_sync(_grant, serving_url)
    finally:
        await engine.dispose()


def _run_migrations(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _grant(connection: Connection, serving_url: str) -> None:
    serving = make_url(serving_url)
    if serving.username == connection.scalar(text("SELECT current_user")):
        return
    quote = connection.dialect.identifier_preparer.quote
    role = quote(serving.username or "")
    exists = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": serving.username})
    verb = "ALTER" if exists else "CREATE"
    # DDL takes no parameters: Postgres itself quotes the password.
    password = connection.scalar(text("SELECT quote_literal(:secret)"), {"secret": str(serving.password or "")})
    connection.exec_driver_sql(f"{verb} ROLE {role} LOGIN PASSWORD {password}")
    for statement in (
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT DELETE ON {', '.join(DELETABLE)} TO {role}",
        f"REVOKE UPDATE ON {', '.join(APPEND_ONLY)} FROM {role}",
        f"REVOKE INSERT, UPDATE ON alembic_version FROM {role}",
    ):
        connection.exec_driver_sql(statement)
