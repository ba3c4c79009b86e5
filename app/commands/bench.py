"""`phaya bench`."""

import sys

import click


@click.command()
@click.option("--seconds", type=click.FloatRange(0.5, 600), default=4.0, show_default=True, help="For each line.")
def bench(seconds: float) -> None:
    """Measure a stack of its own: creates, status reads and chat, beside a hello-world route."""
    from app.bench.run import bench as run

    if not run(seconds, click.echo):
        sys.exit(1)
