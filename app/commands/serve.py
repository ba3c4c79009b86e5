"""The processes of a deployment: `phaya api`, `phaya worker`, `phaya sandbox`, and `phaya migrate` before them."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

# A stream that outlives this is cut; a worker settles it.
DRAIN_S = 8


@click.command()
@click.option("--host", help="Address to listen on.  [default: PHAYA_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: PHAYA_PORT]")
@click.option("--fd", type=int, help="Serve this open socket, handed down by who started us, in one process.")
def api(host: str | None, port: int | None, fd: int | None) -> None:
    """Serve the API."""
    from uvicorn import Config, Server
    from uvicorn.supervisors import Multiprocess

    from app.api.connection import Connection
    from app.config import get_settings

    settings = get_settings()
    config = Config(
        "app.main:create_app",
        factory=True,
        host=host or settings.host,
        port=settings.port if port is None else port,
        workers=settings.api_processes if fd is None else 1,
        loop="uvloop",
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    listener = config.bind_socket() if fd is None else socket.socket(fileno=fd)
    if config.workers > 1:
        with TemporaryDirectory(prefix="phaya-metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # Where the processes add up what they count.
            Multiprocess(config, sockets=[listener]).run()
        return
    server = Server(config)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


@click.command()
@click.option("--queue", type=click.Choice(["upstream", "media"]), default="upstream", show_default=True)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    help="Write our process id here once we take work, and touch it every 5 seconds from then on.",
)
def worker(queue: str, ready_file: Path | None) -> None:
    """Take steps of jobs: against upstreams, or with FFmpeg and yt-dlp."""
    import uvloop

    from app.config import get_settings
    from workers.run import run_worker
    from workers.settings import KINDS

    uvloop.run(run_worker(get_settings(), KINDS[queue], ready_file=ready_file))


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date, and the rights of the serving role."""
    from app.config import get_settings
    from app.db.migrate import upgrade

    settings = get_settings()
    owner = settings.database_owner_url or settings.database_url
    asyncio.run(upgrade(str(owner), str(settings.database_url)))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8900, show_default=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Keep books and files in this folder.")
@click.option("--time-scale", default=1.0, show_default=True, help="Multiplies how long the sandbox's work takes.")
def sandbox(host: str, port: int, data: Path | None, time_scale: float) -> None:
    """Stand in for KIE.ai, OpenRouter, Gemini and the Whisper host, on one port."""
    from app.sandbox.config import SandboxConfig
    from app.sandbox.server import serve

    serve(SandboxConfig(host=host, port=port, data_dir=data, time_scale=time_scale))
