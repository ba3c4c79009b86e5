"""`phaya secrets`."""

from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default=Path(".env"))
def secrets(file: Path) -> None:
    """Make fresh secrets for `docker compose`, in FILE (default: .env; `-` prints them)."""
    from app.secrets import render, write

    if file == Path("-"):
        click.echo(render(), nl=False)
        return
    try:
        write(file)
    except FileExistsError as error:
        raise click.ClickException(
            f"There is a {file} already, and its secrets may guard a database. Move it away if you want a new one."
        ) from error
    click.echo(f"Wrote {file}.")
