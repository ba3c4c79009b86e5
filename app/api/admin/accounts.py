"""Accounts, their keys and their credits."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.api.admin import schemas
from app.api.admin.asking import AccountId, After, EntryKey, KeyId, Limit, body_of, cut, described
from app.api.deps import Admin, BrokerDep
from app.api.schemas import error_responses
from app.ledger import Adjustment
from app.services import accounts, admin_views

router = APIRouter(tags=["Admin: accounts"])


@router.post(
    "/accounts", summary="Open an account", openapi_extra=described(schemas.NewAccount),
    responses=error_responses(400, 409, 413, 422),
)
async def create_account(
    broker: BrokerDep, key: Admin, body: Annotated[schemas.NewAccount, Depends(body_of(schemas.NewAccount))]
) -> schemas.AccountAnswer:
    async with broker.db.transaction() as db:
        account = await accounts.create_account(db, actor=str(key.id), email=body.email, name=body.name)
        view = await admin_views.view_account(db, account.id)
    return schemas.AccountAnswer.model_validate(view)


@router.get("/accounts", summary="Accounts, newest first", responses=error_responses(422))
async def list_accounts(
    broker: BrokerDep, key: Admin, limit: Limit = 50, after: After = None,
    email: Annotated[schemas.Email | None, Query(description="The account of this e-mail alone")] = None,
) -> schemas.Page[schemas.Account]:
    async with broker.db.statement() as db:
        views = await admin_views.list_accounts(db, limit=limit + 1, before=after, email=email)
    page, last = cut(views, limit)
    return schemas.Page[schemas.Account].model_validate({"items": page, "next": last and last.account_id})


@router.get("/accounts/{account_id}", summary="An account and its balance", responses=error_responses(404))
async def get_account(broker: BrokerDep, key: Admin, account_id: AccountId) -> schemas.AccountAnswer:
    async with broker.db.statement() as db:
        return schemas.AccountAnswer.model_validate(await admin_views.view_account(db, account_id))


@router.post(
    "/accounts/{account_id}/grants", summary="Add credits", openapi_extra=described(schemas.NewGrant),
    responses=error_responses(400, 404, 413, 422),
)
async def grant(
    broker: BrokerDep, key: Admin, *, account_id: AccountId, entry_key: EntryKey, response: Response,
    body: Annotated[schemas.NewGrant, Depends(body_of(schemas.NewGrant))],
) -> schemas.EntryAnswer:
    async with broker.db.transaction() as db:
        made = await accounts.grant(
            db, account_id, actor=str(key.id), credits=body.credits, note=body.note, key=entry_key
        )
    return _entry_answer(made, response)


@router.post(
    "/accounts/{account_id}/corrections", summary="Set a mistake right by an entry of its own",
    openapi_extra=described(schemas.NewCorrection), responses=error_responses(400, 402, 404, 413, 422),
)
async def correct(
    broker: BrokerDep, key: Admin, *, account_id: AccountId, entry_key: EntryKey, response: Response,
    body: Annotated[schemas.NewCorrection, Depends(body_of(schemas.NewCorrection))],
) -> schemas.EntryAnswer:
    async with broker.db.transaction() as db:
        made = await accounts.correct(
            db, account_id, actor=str(key.id), credits=body.credits, note=body.note, key=entry_key
        )
    return _entry_answer(made, response)


def _entry_answer(made: Adjustment, response: Response) -> schemas.EntryAnswer:
    if made.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return schemas.EntryAnswer.of(made)


@router.post(
    "/accounts/{account_id}/keys", summary="Make a key; its secret is in this answer and nowhere else",
    openapi_extra=described(schemas.NewKey), responses=error_responses(400, 404, 413, 422),
)
async def create_key(
    broker: BrokerDep, key: Admin, account_id: AccountId,
    body: Annotated[schemas.NewKey, Depends(body_of(schemas.NewKey))],
) -> schemas.NewKeyAnswer:
    async with broker.db.transaction() as db:
        made, secret = await accounts.create_key(db, account_id, actor=str(key.id), **dict(body))
        view = await admin_views.view_key(db, made.id)
    return schemas.NewKeyAnswer.model_validate(vars(view) | {"key": secret})


@router.get(
    "/accounts/{account_id}/keys", summary="An account's keys, newest first", responses=error_responses(404, 422)
)
async def list_keys(
    broker: BrokerDep, key: Admin, account_id: AccountId, limit: Limit = 50, after: After = None
) -> schemas.Page[schemas.Key]:
    async with broker.db.statement() as db:
        views = await admin_views.list_keys(db, account_id, limit=limit + 1, before=after)
    page, last = cut(views, limit)
    return schemas.Page[schemas.Key].model_validate({"items": page, "next": last and last.key_id})


@router.get("/keys/{key_id}", summary="A key, without its secret", responses=error_responses(404))
async def get_key(broker: BrokerDep, key: Admin, key_id: KeyId) -> schemas.KeyAnswer:
    return await _key_answer(broker, key_id)


@router.patch(
    "/keys/{key_id}", summary="Change a key's limits; in force everywhere within a second",
    openapi_extra=described(schemas.KeyChange), responses=error_responses(400, 404, 413, 422),
)
async def change_key(
    broker: BrokerDep, key: Admin, key_id: KeyId,
    body: Annotated[schemas.KeyChange, Depends(body_of(schemas.KeyChange))],
) -> schemas.KeyAnswer:
    given = body.model_dump(exclude_unset=True)
    async with broker.db.transaction() as db:
        await accounts.change_key(db, key_id, lambda limits: replace(limits, **given), actor=str(key.id))
    return await _key_answer(broker, key_id)


@router.delete(
    "/keys/{key_id}", summary="Revoke a key; it is refused everywhere within a second",
    responses=error_responses(404),
)
async def revoke_key(broker: BrokerDep, key: Admin, key_id: KeyId) -> schemas.KeyAnswer:
    async with broker.db.transaction() as db:
        await accounts.revoke_key(db, key_id, actor=str(key.id))
    return await _key_answer(broker, key_id)


async def _key_answer(broker: BrokerDep, key_id: UUID) -> schemas.KeyAnswer:
    async with broker.db.statement() as db:
        return schemas.KeyAnswer.model_validate(await admin_views.view_key(db, key_id))
