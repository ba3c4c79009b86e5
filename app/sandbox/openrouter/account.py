"""The key's limits, the account's credits, the record of one generation."""

from decimal import Decimal

from app.sandbox.config import MANAGEMENT_KEY
from app.sandbox.exchange import Call, Refused
from app.sandbox.openrouter.wire import PROVIDER, authorize, dollars_left
from app.sandbox.tasks import JsonObject


async def key(call: Call) -> JsonObject:
    """What the calling key may spend and has spent."""
    authorize(call)
    call.obey()
    used = float(_used(call))
    left = float(dollars_left(call))
    return {
        "data": {
            "label": f"{call.key[:12]}...{call.key[-3:]}",
            "limit": left + used,
            "limit_remaining": left,
            "limit_reset": None,
            "include_byok_in_limit": False,
            "usage": used,
            "usage_daily": used,
            "usage_weekly": used,
            "usage_monthly": used,
            "byok_usage": 0,
            "byok_usage_daily": 0,
            "byok_usage_weekly": 0,
            "byok_usage_monthly": 0,
            "is_free_tier": False,
            "is_management_key": call.key == MANAGEMENT_KEY,
            "is_provisioning_key": call.key == MANAGEMENT_KEY,
            "expires_at": None,
            "rate_limit": {"requests": -1, "interval": "10s", "note": "deprecated"},
        }
    }


async def balance(call: Call) -> JsonObject:
    """The account's total, for a management key alone."""
    authorize(call)
    call.obey()
    if call.key != MANAGEMENT_KEY:
        raise Refused(403, "Only management keys can fetch credits")
    used = _used(call)
    return {"data": {"total_credits": float(dollars_left(call) + used), "total_usage": float(used)}}


async def generation(call: Call) -> JsonObject:
    """What became of a request; unknown for the first moments after it."""
    authorize(call)
    call.task_id = call.request.query_params.get("id", "")
    found = call.world.generations.get(call.task_id)
    call.model = found.record["model"] if found else ""
    call.obey()
    if found is None or found.key != call.key or call.world.now() < found.visible_at:
        raise Refused(404, f"Generation {call.task_id} not found")
    return {"data": found.record}


def _used(call: Call) -> Decimal:
    return call.world.books.spent[PROVIDER, call.key]
