"""`phaya services`: the page of all services."""

import click


@click.command()
def services() -> None:
    """Print every service with its fields, price and examples, in Markdown (docs/services.md)."""
    from app.api.services_page import services_page
    from app.catalog.loader import load_catalog

    click.echo(services_page(load_catalog()), nl=False)
