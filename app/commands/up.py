"""`phaya up`."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Of the API; 0 takes a free one."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".phaya"),
    show_default=True,
    help="Where everything is kept.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Written, as JSON, once everything answers: addresses, keys, process ids, environment.",
)
@click.option(
    "--sandbox/--no-sandbox", default=True, help="Stand in for the providers that have no key.  [default: on]"
)
def up(port: int, data: Path, ready_file: Path | None, *, sandbox: bool) -> None:
    """Run everything in this terminal: database, cache, upstreams, API and workers."""
    from app.embedded.up import Options, run

    run(Options(port=port, data=data, ready_file=ready_file, sandbox=sandbox), say=click.echo)
