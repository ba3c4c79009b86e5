"""The two routes that carry the load, creates and status reads, served without the framework's stack.

FastAPI's own way to an endpoint (routers in routers, exit stacks, the solving of dependencies) costs more than all that
these endpoints do. They are registered with FastAPI as well, for OpenAPI; both ways end in the same function.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.answers import answer_app_error, answer_crash, answer_nobody
from app.errors import AppError

log = structlog.get_logger()

Create = Callable[[Request], Awaitable[Response]]
Status = Callable[[Request, str], Awaitable[Response]]


@dataclass(frozen=True)
class HotRoutes:
    """Creates by their path; status reads by their path up to the job's id."""

    creates: dict[str, Create] = field(default_factory=dict)
    statuses: dict[str, Status] = field(default_factory=dict)

    def find(self, scope: Scope, request: Request) -> Awaitable[Response] | None:
        """The answer in the making, if the request is for one of these routes; its template is left in the scope."""
        path: str = scope["path"]
        if scope["method"] == "POST":
            create = self.creates.get(path)
            if create is None:
                return None
            scope["template"] = path
            return create(request)
        if scope["method"] != "GET":
            return None
        prefix, _, job_id = path.rpartition("/")
        status = self.statuses.get(prefix)
        if status is None:
            return None
        scope["template"] = prefix + "/{job_id}"
        return status(request, job_id)


class HotPath:
    """ASGI middleware that answers the hot routes itself and hands everything else on."""

    def __init__(self, app: ASGIApp, routes: HotRoutes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = self._routes.find(scope, request)
        if answer is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await answer
        except AppError as refusal:
            response = await answer_app_error(request, refusal)
        except ClientDisconnect as end:
            response = await answer_nobody(request, end)
        except Exception as mistake:
            log.exception("request.crashed", method=scope["method"], path=scope["path"])
            response = await answer_crash(request, mistake)
        await response(scope, receive, send)
