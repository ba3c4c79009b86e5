"""`phaya account`."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from app.commands.operator import (
    ACTOR,
    after_id,
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

    from app.services.admin_views import AccountView


@click.group()
def account() -> None:
    """Open and read accounts."""


@account.command()
@click.argument("email")
@click.option("--name", required=True, help="Who it is for.")
@as_json
def create(email: str, name: str, *, as_json: bool) -> None:
    """Open an account for EMAIL."""
    from app.api.admin.schemas import NewAccount
    from app.services.accounts import create_account
    from app.services.admin_views import view_account

    new = checked(NewAccount, email=email, name=name)

    async def open_it(db: "AsyncSession") -> "AccountView":
        made = await create_account(db, actor=ACTOR, email=new.email, name=new.name)
        return await view_account(db, made.id)

    _print(changing(open_it), as_json=as_json)


@account.command(name="list")
@limit
@after_id
@as_json
def list_(limit: int, after: UUID | None, *, as_json: bool) -> None:
    """Accounts and their money, newest first."""
    from app.api.admin.asking import cut
    from app.api.admin.schemas import Account, Page
    from app.services.admin_views import list_accounts

    page, last = cut(reading(lambda db: list_accounts(db, limit=limit + 1, before=after)), limit)
    if as_json:
        print_json(Page[Account].model_validate({"items": page, "next": last and last.account_id}))
        return
    print_table(
        ("ACCOUNT", "EMAIL", "NAME", "BALANCE", "AVAILABLE", "CREATED"),
        [(it.account_id, it.email, it.name, it.credits_balance, it.available, it.created_at) for it in page],
    )
    print_more(page, last and last.account_id)


@account.command()
@click.argument("account")
@as_json
def show(account: str, *, as_json: bool) -> None:
    """One ACCOUNT, by its id or e-mail."""
    from app.services.admin_views import view_account

    async def find(db: "AsyncSession") -> "AccountView":
        return await view_account(db, await find_account_id(db, account))

    _print(reading(find), as_json=as_json)


def _print(view: "AccountView", *, as_json: bool) -> None:
    from app.api.admin.schemas import AccountAnswer

    if as_json:
        print_json(AccountAnswer.model_validate(view))
    else:
        print_fields(vars(view))
