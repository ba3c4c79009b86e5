"""Answering calls to language models in the form of their routes: whole or streamed, for the first time or again."""

from functools import partial
from typing import Protocol

from fastapi import Request, Response

from app.accounts.keys import KeyRecord
from app.api.answers import REPLAYED, json_answer
from app.api.deps import broker_of, idempotency_of
from app.api.event_stream import EventStream, Line
from app.errors import AppError
from app.ledger import find_balance
from app.providers.openrouter_usage import Said
from app.services.make_call import Teller, call_stream, call_whole
from app.services.order_call import Call, Order, order_call
from app.services.replay_call import Answer, replay_call


class AnswerForm(Protocol):
    """How the whole answers of a route look."""

    @property
    def limit_bytes(self) -> int:
        """The most that upstream's answer may have."""

    def read(self, content: bytes) -> Said:
        """Upstream's answer. Raises ProviderError for one that is no use."""

    def write(self, answer: Answer) -> object:
        """The answer to the client."""


class StreamTeller(Teller, Protocol):
    """Tells a stream in its route's form."""

    def end(self, answer: Answer | None) -> bytes:
        """What comes after the last word; without an answer, the charge is not known yet."""


class StreamForm(Protocol):
    """How the streamed answers of a route look."""

    def teller(self, *, collects: bool) -> StreamTeller:
        """Who retells a stream; with `collects` he can give the whole of it in the end."""

    def retell(self, answer: Answer) -> bytes:
        """All the frames of a stream that was told before."""

    def explain(self, error: AppError) -> bytes:
        """The last frame of a stream that failed."""


async def answer_call(
    request: Request, caller: KeyRecord, order: Order, form: AnswerForm, *, body: bytes
) -> Response:
    """Hold for the order, make the call, charge it and answer. Raises what `order_call` and `call_whole` raise."""
    if _is_dry_run(request):
        return await _tell_most(request, caller, order)
    placed = await _place(request, caller, order, body)
    if isinstance(placed, Answer):
        return json_answer(form.write(placed), headers=REPLAYED)
    answer = await call_whole(broker_of(request), placed, form.read, limit=form.limit_bytes)
    return json_answer(form.write(answer))


async def answer_stream(
    request: Request, caller: KeyRecord, order: Order, form: StreamForm, *, body: bytes
) -> Response:
    """Hold for the order; the response then makes the call, tells it, and charges it. Raises as `order_call` does."""
    if _is_dry_run(request):
        return await _tell_most(request, caller, order)
    placed = await _place(request, caller, order, body)
    if isinstance(placed, Answer):
        return EventStream(request, partial(_retell, form, placed), explain=form.explain, headers=REPLAYED)
    return EventStream(request, partial(_tell, request, form, placed), explain=form.explain)


async def _place(request: Request, caller: KeyRecord, order: Order, body: bytes) -> Call | Answer:
    """The call to be made, or the answer to an earlier request that was the same."""
    broker, idempotency = broker_of(request), idempotency_of(request, body)
    placed = await order_call(broker, caller, order, idempotency)
    if isinstance(placed, Call):
        return placed
    assert idempotency is not None
    return await replay_call(broker, caller.account_id, placed, idempotency)


def _is_dry_run(request: Request) -> bool:
    return request.query_params.get("dry_run") == "true"


async def _tell_most(request: Request, caller: KeyRecord, order: Order) -> Response:
    async with broker_of(request).db.statement() as db:
        balance = await find_balance(db, caller.account_id)
    return json_answer({
        "success": True, "dry_run": True, "credits": order.most(order.cap), "credits_balance": balance.balance,
        "available": balance.available,
    })


async def _tell(request: Request, form: StreamForm, call: Call, line: Line) -> None:
    teller = form.teller(collects=call.idempotency is not None)
    answer = await call_stream(broker_of(request), call, teller, line)
    await line.send(teller.end(answer))


async def _retell(form: StreamForm, answer: Answer, line: Line) -> None:
    await line.begin()
    await line.send(form.retell(answer))
