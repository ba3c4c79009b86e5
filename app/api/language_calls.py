"""Answering calls to language models in the form of their routes: whole or streamed, for the first time or again."""

from functools import partial
from typing import Protocol

from fastapi import Request, Response

from app.accounts.keys import KeyRecord
from app.api.answers import json_answer
from app.api.deps import broker_of, idempotency_of
from app.api.event_stream import EventStream, Line
from app.ledger import find_balance
from app.providers.openrouter_usage import Said
from app.services.make_call import Teller, call_stream, call_whole
from app.services.order_call import Call, Order, order_call
from app.services.replay_call import Answer, replay_call

REPLAYED = {"Idempotent-Replayed": "true"}


class StreamTeller(Teller, Protocol):
    """Tells a stream in its route's form."""

    def end(self, answer: Answer | None) -> bytes:
        """What comes after the last word; without an answer, the charge is not known yet."""


class AnswerForm(Protocol):
    """How the answers of a route look."""

    @property
    def limit_bytes(self) -> int:
        """The most that a whole answer of upstream may have."""

    def read(self, content: bytes) -> Said:
        """A whole answer of upstream. Raises ProviderError for one that is no use."""

    def write(self, answer: Answer) -> object:
        """The whole answer to the client."""

    def teller(self, line: Line, *, collects: bool) -> StreamTeller:
        """Who tells a stream to the client."""

    def retell(self, answer: Answer) -> bytes:
        """All the frames of a stream that was told before."""


async def answer_call(
    request: Request, caller: KeyRecord, order: Order, form: AnswerForm, *, body: bytes
) -> Response:
    """Hold for the order, make the call, charge it and answer. Raises what `order_call` and `call_whole` raise."""
    broker = broker_of(request)
    if request.query_params.get("dry_run") == "true":
        return await _dry_run(request, caller, order)
    idempotency = idempotency_of(request, body)
    placed = await order_call(broker, caller, order, idempotency)
    if not isinstance(placed, Call):
        assert idempotency is not None
        answer = await replay_call(broker, caller.account_id, placed, idempotency)
        if order.streams:
            return EventStream(request, partial(_retell, form, answer), headers=REPLAYED)
        return json_answer(form.write(answer), headers=REPLAYED)
    if order.streams:
        return EventStream(request, partial(_tell, request, form, placed))
    return json_answer(form.write(await call_whole(broker, placed, form.read, limit=form.limit_bytes)))


async def _dry_run(request: Request, caller: KeyRecord, order: Order) -> Response:
    async with broker_of(request).db.statement() as db:
        balance = await find_balance(db, caller.account_id)
    return json_answer({
        "success": True, "dry_run": True, "credits": order.most(order.cap), "credits_balance": balance.balance,
        "available": balance.available,
    })


async def _tell(request: Request, form: AnswerForm, call: Call, line: Line) -> None:
    teller = form.teller(line, collects=call.idempotency is not None)
    answer = await call_stream(broker_of(request), call, teller)
    await line.send(teller.end(answer))


async def _retell(form: AnswerForm, answer: Answer, line: Line) -> None:
    await line.begin()
    await line.send(form.retell(answer))
