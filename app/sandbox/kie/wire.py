"""KIE's envelope: HTTP 200, with the truth in `code`."""

from decimal import Decimal
from typing import Any

from starlette.responses import Response

from app.sandbox.config import BROKE_KEY, INVALID_KEY
from app.sandbox.exchange import Call, Refused
from app.sandbox.replies import json_reply

PROVIDER = "kie"


def envelope(call: Call, outcome: Any) -> tuple[str, Response]:
    """`{"code", "msg", "data"}`."""
    if isinstance(outcome, Refused):
        status = outcome.status or (outcome.code if call.world.config.real_http_statuses else 200)
        body = {"code": outcome.code, "msg": outcome.message, "data": None}
        return str(outcome.code), json_reply(body, status, outcome.headers)
    return "200", json_reply({"code": 200, "msg": "success", "data": outcome})


def authorize(call: Call) -> None:
    """Read the key. Raises Refused."""
    scheme, _, key = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip() or key.strip() == INVALID_KEY:
        raise Refused(401, "You do not have access permissions")
    call.key = key.strip()


def credits_left(call: Call) -> Decimal:
    """The key's balance."""
    start = Decimal(0) if call.key == BROKE_KEY else call.world.config.kie_credits
    return call.world.books.left(PROVIDER, call.key, start)
