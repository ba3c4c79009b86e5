"""`phaya key`."""

from datetime import UTC, datetime
from decimal import Decimal
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

    from app.services.admin_views import KeyView


@click.group()
def key() -> None:
    """Make, read and revoke API keys."""


@key.command()
@click.argument("account")
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True,
              help="A service's id, a group (image, video, audio, llm, media), account:read or admin; may be repeated."
                   "  [default: everything but admin]")
@click.option("--credit-limit", type=Decimal, help="The key's own cap, in credits.")
@click.option("--expires", type=click.DateTime(), help="When it ends, in UTC.")
@click.option("--address", "addresses", multiple=True, help="An address or network to use it from; may be repeated.")
@click.option("--rate", type=int, help="Requests a minute.  [default: PHAYA_RATE_LIMIT_PER_MINUTE]")
@as_json
def create(
    account: str, *, name: str, scopes: tuple[str, ...], credit_limit: Decimal | None, expires: datetime | None,
    addresses: tuple[str, ...], rate: int | None, as_json: bool,
) -> None:
    """Make a key for ACCOUNT (its id or e-mail). The secret is printed now and never again."""
    from app.api.admin.schemas import NewKey, NewKeyAnswer
    from app.services.accounts import create_key
    from app.services.admin_views import view_key

    given: dict[str, object] = {"scopes": list(scopes)} if scopes else {}
    new = checked(
        NewKey, name=name, credit_limit=credit_limit, addresses=list(addresses), rate_per_minute=rate,
        expires_at=expires and expires.replace(tzinfo=UTC), **given,
    )

    async def make(db: "AsyncSession") -> "tuple[KeyView, str]":
        made, secret = await create_key(db, await find_account_id(db, account), actor=ACTOR, **dict(new))
        return await view_key(db, made.id), secret

    view, secret = changing(make)
    if as_json:
        print_json(NewKeyAnswer.model_validate(vars(view) | {"key": secret}))
    else:
        print_fields({"key": secret} | vars(view))


@key.command(name="list")
@click.argument("account")
@limit
@after_id
@as_json
def list_(account: str, *, limit: int, after: UUID | None, as_json: bool) -> None:
    """The keys of ACCOUNT (its id or e-mail), newest first."""
    from app.api.admin.asking import cut
    from app.api.admin.schemas import Key, Page
    from app.services.admin_views import list_keys

    async def find(db: "AsyncSession") -> "list[KeyView]":
        return await list_keys(db, await find_account_id(db, account), limit=limit + 1, before=after)

    page, last = cut(reading(find), limit)
    if as_json:
        print_json(Page[Key].model_validate({"items": page, "next": last and last.key_id}))
        return
    print_table(
        ("KEY", "NAME", "HINT", "SCOPES", "SPENT", "LIMIT", "RATE", "EXPIRES", "REVOKED"),
        [(it.key_id, it.name, it.hint, it.scopes, it.spent, it.credit_limit, it.rate_per_minute, it.expires_at,
          it.revoked_at) for it in page],
    )
    print_more(page, last and last.key_id)


@key.command()
@click.argument("key_id", type=click.UUID)
@as_json
def revoke(key_id: UUID, *, as_json: bool) -> None:
    """Revoke KEY_ID for good. It is refused everywhere within a second."""
    from app.api.admin.schemas import KeyAnswer
    from app.services.accounts import revoke_key
    from app.services.admin_views import view_key

    async def end(db: "AsyncSession") -> "KeyView":
        await revoke_key(db, key_id, actor=ACTOR)
        return await view_key(db, key_id)

    view = changing(end)
    if as_json:
        print_json(KeyAnswer.model_validate(view))
    else:
        print_fields(vars(view))
