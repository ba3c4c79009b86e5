"""The caller's account: profile, balance, history (contract 5)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app import ledger
from app.accounts.keys import get_account
from app.api.answers import json_answer
from app.api.deps import BrokerDep, Reader
from app.api.generation import instant
from app.api.schemas import CREDITS, DONE, INSTANT, error_responses, object_answer
from app.ledger import EntryKind, EntryView

router = APIRouter(prefix="/api/v1/user", tags=["Account"], responses=error_responses(401, 403, 429))

# An operator's correction is a top-up or a debit to the client, by its sign: the contract has three words.
WORDS = {EntryKind.DEBIT: "debit", EntryKind.REFUND: "refund", EntryKind.TOPUP: "topup"}

TEXT = {"type": "string"}
OWN = {
    "success": {"const": True}, "user_id": TEXT, "credits_balance": CREDITS, "credits_balance_formatted": TEXT,
    "currency": TEXT,
}
PROFILE = object_answer({
    **OWN, "email": TEXT, "display_name": {"type": ["string", "null"]}, "created_at": INSTANT,
})
BALANCE = object_answer({**OWN, "available": CREDITS, "cached": {"const": False}})
ENTRIES = object_answer({"success": {"const": True}, "transactions": {"type": "array", "items": {
    "type": "object", "properties": {
        "id": TEXT, "type": {"enum": ["debit", "refund", "topup"]}, "amount": CREDITS, "balance_after": CREDITS,
        "service": {"type": ["string", "null"]}, "job_id": {"type": ["string", "null"]}, "description": TEXT,
        "created_at": INSTANT,
    },
}}})


@router.get("/profile", summary="Who the key belongs to, and the balance", responses={200: PROFILE})
async def profile(broker: BrokerDep, key: Reader) -> Response:
    async with broker.db.statement() as db:
        account = await get_account(db, key.account_id)
        balance = await ledger.find_balance(db, key.account_id)
    return json_answer({
        "success": True, "user_id": str(account.id), "email": account.email, "display_name": account.name,
        "credits_balance": balance.balance, "credits_balance_formatted": f"{balance.balance:.2f} เครดิต",
        "currency": "THB", "created_at": instant(account.created_at),
    })


@router.get("/credits", summary="The balance", responses={200: BALANCE})
async def credits(broker: BrokerDep, key: Reader) -> Response:
    async with broker.db.statement() as db:
        balance = await ledger.find_balance(db, key.account_id)
    return json_answer({
        "success": True, "user_id": str(key.account_id), "credits_balance": balance.balance,
        "credits_balance_formatted": f"{balance.balance:.2f} เครดิต", "available": balance.available,
        # Always read from the ledger itself: a debit is seen at once.
        "currency": "THB", "cached": False,
    })


@router.get(
    "/credits/history", summary="Debits, refunds and top-ups, newest first",
    responses={200: ENTRIES, **error_responses(422)},
)
async def credits_history(
    broker: BrokerDep, key: Reader, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> Response:
    async with broker.db.statement() as db:
        entries = await ledger.list_entries(db, key.account_id, limit=limit)
    return json_answer({"success": True, "transactions": [transaction(entry) for entry in entries]})


@router.post("/credits/invalidate-cache", summary="Kept for existing clients: the balance is never cached",
             responses={200: object_answer(DONE)})
async def invalidate_cache(key: Reader) -> Response:
    return json_answer({"success": True, "message": "Credit cache cleared"})


def transaction(entry: EntryView) -> dict[str, Any]:
    """One entry as the contract has it."""
    word = WORDS.get(entry.kind) or ("topup" if entry.amount > 0 else "debit")
    return {
        "id": str(entry.id), "type": word, "amount": entry.amount, "balance_after": entry.balance_after,
        "service": entry.service, "job_id": entry.job_id and str(entry.job_id), "description": entry.description,
        "created_at": instant(entry.created_at),
    }
