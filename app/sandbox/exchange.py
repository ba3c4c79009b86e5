"""The frame around every request to a stand-in: key, directives, refusal, record, delivery."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.sandbox.directives import NONE, BadDirective, Directives, directives_in
from app.sandbox.records import Asked
from app.sandbox.replies import Severed, cut_json
from app.sandbox.saved_answers import saved_answer
from app.sandbox.world import World

TEXT_KEPT = 120


class Refused(Exception):
    """Not accepted: nothing was made and nothing costs. `status` is HTTP's; None where the provider's `code` tells."""

    def __init__(self, code: int, message: str, *, status: int | None = None, retry_after: float | None = None,
                 detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        self.detail = detail or {}


class Replaced(Exception):
    """A saved answer was asked for. Nothing was made and nothing costs."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass
class Call:
    """One request, and what its handler finds out about it."""

    world: World
    request: Request
    provider: str
    route: str
    body: bytes
    key: str = ""
    model: str = ""
    task_id: str = ""
    text: str = ""
    callback_url: str = ""
    directives: Directives = NONE

    def json(self) -> Any:
        """The body. Raises Refused."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            raise Refused(400, "The request body is not valid JSON") from None

    def obey(self, text: str = "") -> Directives:
        """Take the queued faults and the text's directives for this request. They may raise Refused or Replaced."""
        try:
            written = directives_in(text)
        except BadDirective as mistake:
            raise Refused(422, str(mistake)) from None
        self.directives = asked = self.world.faults.take(self.provider, self.route, self.model) | written
        if asked.saved is not None:
            raise Replaced(asked.saved)
        if asked.http is not None:
            raise Refused(asked.http, "Ordered by a directive", status=asked.http, retry_after=asked.retry_after)
        if asked.code is not None:
            raise Refused(asked.code, "Ordered by a directive", retry_after=asked.retry_after)
        return asked

    @property
    def base_url(self) -> str:
        """Where the client reached this sandbox."""
        return f"{self.request.url.scheme}://{self.request.headers.get('host', 'localhost')}"


Handler = Callable[[Call], Awaitable[Any]]
# How a provider writes an answer: a Refused, or what the handler returned, becomes a word for the books and a response.
Wire = Callable[[Call, Any], tuple[str, Response]]


def endpoint(world: World, provider: str, wire: Wire, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler as a route of the provider."""
    return partial(_exchange, world, provider, wire, handler)


async def _exchange(world: World, provider: str, wire: Wire, handler: Handler, request: Request) -> Response:
    call = Call(world, request, provider, route_of(request), await request.body())
    word, response = await _answer(call, wire, handler)
    lost = call.directives.lost_answer or call.directives.lost_answer_no_callback
    record(call, "lost" if lost else word)
    return await _deliver(response, call.directives, lost)


async def _answer(call: Call, wire: Wire, handler: Handler) -> tuple[str, Response]:
    try:
        return wire(call, await handler(call))
    except Refused as refusal:
        return wire(call, refusal)
    except Replaced as replaced:
        response = saved_answer(replaced.name, task_id=call.task_id, model=call.model, base_url=call.base_url)
        return f"saved {replaced.name}", response


def route_of(request: Request) -> str:
    """The path without the mount, and with the parameters' names in the place of their values."""
    path: str = request.scope["path"]
    for name, value in request.path_params.items():
        path = path.replace(str(value), f"{{{name}}}")
    return path


def record(call: Call, answer: str) -> None:
    """Write the request down."""
    call.world.books.note(
        Asked(
            at=call.world.now(),
            provider=call.provider,
            route=call.route,
            key=shown_key(call.key),
            model=call.model,
            task_id=call.task_id,
            answer=answer,
            text=call.text[:TEXT_KEPT],
            callback_url=call.callback_url,
        )
    )


def shown_key(key: str) -> str:
    """A key as the books show it. Pretend keys are short and shown whole; a real one is not."""
    return key if len(key) <= 24 else f"{key[:8]}...{key[-4:]}"


async def _deliver(response: Response, directives: Directives, lost: bool) -> Response:
    if directives.stall and response.body:
        await asyncio.sleep(directives.stall)
    if lost:
        return Severed()
    return cut_json(response) if directives.bad_json and response.body else response
