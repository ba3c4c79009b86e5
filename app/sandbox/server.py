"""Runs a sandbox: in the foreground for the command line, in a thread for tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.sandbox.app import create_app
from app.sandbox.config import SandboxConfig

BACKLOG = 4096


class SeverableProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with a way for the application to break the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.sever": {"close": self.transport.close}}


def serve(config: SandboxConfig) -> None:
    """Run until a signal."""
    _server(config).run()


@contextmanager
def running(config: SandboxConfig) -> Iterator[str]:
    """A sandbox in a thread of this process; gives its address. Port 0 takes a free one."""
    # Named as TCP, or asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
        # From here on a client that comes before the server is up waits in the backlog.
        listener.listen(BACKLOG)
        server = _server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        try:
            yield f"http://{config.host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _server(config: SandboxConfig) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(config),
            host=config.host,
            port=config.port,
            http=SeverableProtocol,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
            backlog=BACKLOG,
        )
    )
