"""`/control`: the books, the queue of faults, and a clean slate. No key: a sandbox holds nothing of value.

    GET  /control/requests   what was asked and sent, oldest first; filters `provider`, `route`, `key`, `model`,
                             `task_id`, `answer`, `callback_url`, `text`; `after` a number, `limit` (the newest so many)
    GET  /control/books      totals by provider, model and key; counts of answers; every task and every other charge
                             (`?details=false` leaves the last two out)
    POST /control/faults     {"match": {"provider", "model", "route"}, "fault": "code=500", "count": 1}
    GET  /control/faults     those that still wait
    POST /control/purse      {"provider": "kie", "key": "...", "left": 12.5}: what a key has from now on
    POST /control/reset      forget everything
"""

from collections import deque
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.sandbox.directives import BadDirective, parse_words
from app.sandbox.exchange import shown_key
from app.sandbox.faults import Fault, Match
from app.sandbox.replies import json_reply
from app.sandbox.tasks import Task
from app.sandbox.world import World

FILTERS = frozenset({"provider", "route", "key", "model", "task_id", "answer", "callback_url", "text"})


class BadControl(ValueError):
    """A control request that cannot be carried out; the message says why."""


def routes(world: World) -> list[Route]:
    """All of `/control`."""
    return [
        Route("/control/requests", partial(requests, world), methods=["GET"]),
        Route("/control/books", partial(books, world), methods=["GET"]),
        Route("/control/faults", partial(waiting_faults, world), methods=["GET"]),
        Route("/control/faults", partial(queue_fault, world), methods=["POST"]),
        Route("/control/purse", partial(fill_purse, world), methods=["POST"]),
        Route("/control/reset", partial(reset, world), methods=["POST"]),
    ]


async def requests(world: World, request: Request) -> Response:
    """What was asked and sent."""
    query = dict(request.query_params)
    try:
        after, limit = int(query.pop("after", "0")), int(query.pop("limit", "10000"))
    except ValueError:
        return _refused("`after` and `limit` are whole numbers")
    if unknown := query.keys() - FILTERS:
        return _refused(f"no such filter: {', '.join(sorted(unknown))}")
    found = deque(world.books.find(query, after), maxlen=max(0, limit))
    return json_reply({"requests": [{"number": number, **asdict(asked)} for number, asked in found]})


async def books(world: World, request: Request) -> Response:
    """Totals, and what they are made of."""
    kept = world.books
    answer: dict[str, Any] = {
        "totals": [
            {"provider": provider, "model": model, "key": shown_key(key)} | asdict(total)
            for (provider, model, key), total in kept.totals.items()
        ],
        "answers": [
            {"provider": provider, "route": route, "answer": word, "count": count}
            for (provider, route, word), count in kept.answers.items()
        ],
        "open_streams": len(world.open_streams),
    }
    if request.query_params.get("details") != "false":
        answer["tasks"] = [_shown_task(task, world.now()) for task in kept.tasks.values()]
        answer["charges"] = [asdict(charge) | {"key": shown_key(charge.key)} for charge in kept.charges.values()]
    return json_reply(answer)


def _shown_task(task: Task, now: float) -> dict[str, Any]:
    return {
        "id": task.id, "dialect": task.dialect, "model": task.model, "key": shown_key(task.key),
        "created_at": task.created_at, "ends_at": task.ends_at, "state": task.phase(now), "cost": task.charged,
        "callback_url": task.callback_url, "prompt": task.prompt,
        "directives": task.directives.words(),
    }


async def waiting_faults(world: World, _: Request) -> Response:
    """The faults that have not been used up."""
    return json_reply({"faults": world.faults.waiting()})


async def queue_fault(world: World, request: Request) -> Response:
    """Bend the next `count` requests that match."""
    try:
        world.faults.queue(_fault(orjson.loads(await request.body())))
    except (BadControl, BadDirective, orjson.JSONDecodeError) as mistake:
        return _refused(str(mistake))
    return await waiting_faults(world, request)


def _fault(order: Any) -> Fault:
    if not isinstance(order, dict) or order.keys() - {"match", "fault", "count"}:
        raise BadControl("the fields are `match`, `fault` and `count`")
    match, words, count = order.get("match") or {}, order.get("fault"), order.get("count", 1)
    if not isinstance(match, dict) or match.keys() - {"provider", "model", "route"}:
        raise BadControl("`match` has `provider`, `model` and `route`")
    words = [words] if isinstance(words, str) else words
    if not isinstance(words, list) or not words:
        raise BadControl("`fault` is a directive, or a list of them")
    if not isinstance(count, int) or count < 1:
        raise BadControl("`count` is a whole number above 0")
    return Fault(Match(**match), parse_words(map(str, words)), count)


async def fill_purse(world: World, request: Request) -> Response:
    """Set what a key has left."""
    try:
        order = orjson.loads(await request.body())
        left = Decimal(str(order["left"]))
        world.books.set_left(str(order["provider"]), str(order["key"]), left)
    except (orjson.JSONDecodeError, KeyError, TypeError, InvalidOperation):
        return _refused("the fields are `provider`, `key` and `left` (a number)")
    return json_reply({"left": left})


async def reset(world: World, _: Request) -> Response:
    """Forget requests, tasks, charges, faults and callbacks that were not sent. Files stay."""
    world.callbacks.cancel_all()
    world.faults.clear()
    world.limits.reset()
    world.books.reset()
    world.generations.clear()
    return json_reply({"reset": True})


def _refused(message: str) -> Response:
    return json_reply({"error": message}, 422)
