"""`python -m app.sandbox`: a sandbox in the foreground."""

from pathlib import Path

import click

from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8900, show_default=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Keep books and files in this folder.")
@click.option("--time-scale", default=1.0, show_default=True, help="Multiplies how long the sandbox's work takes.")
def main(host: str, port: int, data: Path | None, time_scale: float) -> None:
    """Stand-in upstreams on one port."""
    serve(SandboxConfig(host=host, port=port, data_dir=data, time_scale=time_scale))


if __name__ == "__main__":
    main()
