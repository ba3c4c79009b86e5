"""`phaya demo`."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".phaya"),
    show_default=True,
    help="The data folder of the `phaya up` to show.",
)
@click.option("--api-url", help="Another API to show.  [default: what runs on the data folder]")
@click.option("--key", help="A key for it.  [default: the demo key of the data folder]")
def demo(data: Path, api_url: str | None, key: str | None) -> None:
    """Watch it work: a video, a picture, an answer, and what they cost."""
    from app.demo.story import tell
    from app.embedded.announcement import find_stack

    if api_url is None or key is None:
        stack = find_stack(data)
        if stack is None:
            raise click.ClickException(f"Nothing runs on {data}: start `phaya up`, or give --api-url and --key")
        api_url, key = api_url or stack.api_url, key or stack.demo_key
    tell(api_url, key)
