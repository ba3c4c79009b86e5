"""`phaya grant`, `phaya correct`, `phaya ledger`."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from app.commands.operator import (
    ACTOR,
    after_number,
    as_json,
    changing,
    checked,
    find_account_id,
    limit,
    print_fields,
    print_json,
    print_more,
    print_table,
    reading,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.ledger import Adjustment, EntryView

entry_key = click.option("--key", help="Run again with the same key, it makes the same entry once.")


@click.command()
@click.argument("account")
@click.argument("credits", type=Decimal)
@click.option("--note", default="", help="Why; the account's owner sees it.")
@entry_key
@as_json
def grant(account: str, credits: Decimal, *, note: str, key: str | None, as_json: bool) -> None:
    """Add CREDITS to ACCOUNT (its id or e-mail)."""
    from app.api.admin.schemas import NewGrant
    from app.services.accounts import grant as add

    new = checked(NewGrant, credits=credits, note=note)
    _adjust(add, account, credits=new.credits, note=new.note, key=key, as_json=as_json)


@click.command(context_settings={"ignore_unknown_options": True})  # `-5` is an amount.
@click.argument("account")
@click.argument("credits", type=Decimal)
@click.option("--note", required=True, help="Why; the account's owner sees it.")
@entry_key
@as_json
def correct(account: str, credits: Decimal, *, note: str, key: str | None, as_json: bool) -> None:
    """Add CREDITS to ACCOUNT or, below zero, take them away, to set a mistake right."""
    from app.api.admin.schemas import NewCorrection
    from app.services.accounts import correct as set_right

    new = checked(NewCorrection, credits=credits, note=note)
    _adjust(set_right, account, credits=new.credits, note=new.note, key=key, as_json=as_json)


def _adjust(
    adjust: "Callable[..., Any]", account: str, *, credits: Decimal, note: str, key: str | None, as_json: bool
) -> None:
    from app.api.admin.schemas import EntryAnswer
    from app.db.ids import new_id

    async def make(db: "AsyncSession") -> "Adjustment":
        account_id = await find_account_id(db, account)
        made: Adjustment = await adjust(
            db, account_id, actor=ACTOR, credits=credits, note=note, key=key or str(new_id())
        )
        return made

    made = changing(make)
    answer = EntryAnswer.of(made)
    if as_json:
        print_json(answer)
        return
    print_fields({name: value for name, value in dict(answer).items() if name != "success"})
    if made.is_replay:
        click.echo("This entry had been made before, under the same key.", err=True)


@click.command()
@click.argument("account", required=False)
@limit
@after_number
@as_json
def ledger(account: str | None, *, limit: int, after: int | None, as_json: bool) -> None:
    """Entries of ACCOUNT (its id or e-mail) or of all, newest first."""
    from app.api.admin.asking import cut
    from app.api.admin.schemas import Entry, Page
    from app.ledger import list_entries

    async def find(db: "AsyncSession") -> "list[EntryView]":
        account_id = await find_account_id(db, account) if account else None
        return await list_entries(db, account_id, limit=limit + 1, before=after)

    page, last = cut(reading(find), limit)
    if as_json:
        print_json(Page[Entry].model_validate({"items": page, "next": last and last.id}))
        return
    print_table(
        ("ENTRY", "AT", "ACCOUNT", "KIND", "AMOUNT", "BALANCE", "JOB", "DESCRIPTION"),
        [(it.id, it.created_at, it.account_id, it.kind, it.amount, it.balance_after, it.job_id, it.description)
         for it in page],
    )
    print_more(page, last and last.id)
