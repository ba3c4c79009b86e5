"""The outermost layer, pure ASGI: a request id, the rate's headers and safe defaults on every answer, and the count."""

import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import observe_request

log = structlog.get_logger()

# The status of a request that had no answer: its client went away.
CUT_SHORT = 499


class Edge:
    """Wraps the application. `BaseHTTPMiddleware` would make every request several times slower."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        state = scope.setdefault("state", {})
        began_at = time.perf_counter()
        status = CUT_SHORT

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
                rate = state.get("rate")
                if rate is not None:
                    headers["X-RateLimit-Limit"] = str(rate.limit)
                    headers["X-RateLimit-Remaining"] = str(rate.remaining)
                    headers["X-RateLimit-Reset"] = str(int(time.time()) + rate.reset_s)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_marked)
            except Exception:
                log.exception("request.crashed", method=scope["method"], path=scope["path"])
                raise
            finally:
                seconds = time.perf_counter() - began_at
                observe_request(scope["method"], template_of(scope), status, seconds=seconds)


def template_of(scope: Scope) -> str:
    """The template of the route that was found. A router's own prefix is not in it, so that is read off the path."""
    if "template" in scope:
        return str(scope["template"])
    if "endpoint" not in scope:
        return "unmatched"
    path: str = scope["path"]
    route = scope.get("route")
    if route is None:
        return path if not scope["path_params"] else "unmatched"
    tail: str = route.path_format.format(**scope["path_params"])
    return path.removesuffix(tail) + route.path_format if path.endswith(tail) else "unmatched"
