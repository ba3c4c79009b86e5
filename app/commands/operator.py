"""What the operator's commands share: the way to the database, and how they print.

They need no API that runs, work as `cli` in the record of acts, and print with `--json` what REST answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

import click

if TYPE_CHECKING:
    from pydantic import BaseModel
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.config import Settings
    from app.db.engine import Database

ACTOR = "cli"
# Where `phaya up` keeps its stack when it is told nothing else.
EMBEDDED_DATA = Path(".phaya")
COLUMN_WIDTH_MOST = 60
# SQLSTATE: no such table, column or function; and the classes of refused and broken connections.
UNKNOWN_SCHEMA = frozenset({"42P01", "42703", "42883"})

P = ParamSpec("P")
T = TypeVar("T")
Model = TypeVar("Model", bound="BaseModel")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, as REST answers it.")
limit = click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="Rows of a page.")
after_id = click.option("--after", type=click.UUID, help="The last id of the page before.")
after_number = click.option("--after", type=click.IntRange(1), help="The last id of the page before.")


def find_settings() -> "Settings":
    """The settings of the environment, or else of the `phaya up` that runs here. Raises ClickException."""
    from pydantic import ValidationError

    from app.config import Settings, get_settings
    from app.embedded.announcement import find_stack

    try:
        return get_settings()
    except ValidationError as error:
        stack = find_stack(EMBEDDED_DATA)
        if stack is None:
            problem = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise click.ClickException(f"{problem}. Nor does `phaya up` run on {EMBEDDED_DATA} here.") from error
        names = {name.removeprefix("PHAYA_").lower(): value for name, value in stack.env.items()}
        return Settings.model_validate(names)


def run(work: "Callable[[Database], Coroutine[Any, Any, T]]") -> T:
    """What `work` answers, given the database. Raises ClickException if that cannot be reached or is not migrated."""
    from sqlalchemy.exc import DBAPIError

    from app.db.engine import Database
    from app.errors import DatabaseAway

    settings = find_settings()

    async def with_database() -> T:
        database = Database(settings)
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(with_database())
    except DatabaseAway as away:
        host = settings.database_url.hosts()[0]
        sentence = f"The database at {host['host']}:{host['port']} does not answer: {away.__cause__}"
        raise click.ClickException(sentence) from away
    except DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", None)) not in UNKNOWN_SCHEMA:
            raise
        raise click.ClickException(f"The database is not up to date, run `phaya migrate`: {error.orig}") from error


def reading(work: "Callable[[AsyncSession], Awaitable[T]]") -> T:
    """What `work` reads, each statement for itself."""

    async def read(database: "Database") -> T:
        async with database.statement() as db:
            return await work(db)

    return run(read)


def changing(work: "Callable[[AsyncSession], Awaitable[T]]") -> T:
    """What `work` answers; all that it did is one transaction."""

    async def change(database: "Database") -> T:
        async with database.transaction() as db:
            return await work(db)

    return run(change)


def checked(model: "type[Model]", **values: object) -> "Model":
    """The values as REST would take them. Raises Invalid."""
    from pydantic import ValidationError

    from app.api.answers import invalid

    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(error) from error


async def find_account_id(db: "AsyncSession", account: str) -> UUID:
    """The id of the account with this id or e-mail. Raises NotFound."""
    from app.errors import NotFound
    from app.services.admin_views import list_accounts, view_account

    with suppress(ValueError):
        return (await view_account(db, UUID(account))).account_id
    found = await list_accounts(db, limit=1, email=account)
    if not found:
        raise NotFound(f"No account has the id or the e-mail {account!r}")
    return found[0].account_id


def print_json(answer: "BaseModel") -> None:
    """Print an answer for machines."""
    click.echo(answer.model_dump_json(indent=2))


def print_fields(fields: Mapping[str, object]) -> None:
    """Print one thing, a field a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name:{width}}  {_text(value)}".rstrip())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns' names; numbers to the right."""
    rows = list(rows)
    if not rows:
        click.echo("none")
        return
    cells = [list(columns), *([_short(_text(value)) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    is_number = [all(isinstance(row[place], int | Decimal | None) for row in rows) for place in range(len(columns))]
    for line in cells:
        aligned = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ]
        click.echo("  ".join(aligned).rstrip())


def print_more(page: Sequence[object], last: object) -> None:
    """Say how to read on, if the page was full."""
    if last is not None:
        click.echo(f"\n{len(page)} shown; the next page: --after {last}", err=True)


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case Decimal():
            return f"{value.normalize() + 0:f}"
        case list() | tuple():
            return " ".join(_text(item) for item in value) or "-"
    return str(value)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= COLUMN_WIDTH_MOST else f"{text[: COLUMN_WIDTH_MOST - 1]}…"
