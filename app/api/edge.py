"""The outermost layer, pure ASGI: a request id, the rate's headers and safe defaults on every answer."""

import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()


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

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
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
