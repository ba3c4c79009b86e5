"""`phaya rate`."""

from decimal import Decimal

import click

from app.commands.operator import ACTOR, as_json, changing, checked, print_json, print_table, reading


@click.group()
def rate() -> None:
    """Read and change the prices."""


@rate.command(name="list")
@as_json
def list_(*, as_json: bool) -> None:
    """Every rate in force, beside the catalogue's."""
    from app.api.admin.schemas import RatesAnswer
    from app.services.admin_rates import list_rates

    rates = reading(list_rates)
    if as_json:
        print_json(RatesAnswer.model_validate({"items": rates}))
        return
    print_table(
        ("SERVICE", "RATE", "CREDITS", "DEFAULT", "CHANGED"),
        [(it.service, it.name, it.value, it.default, it.changed_at) for it in rates],
    )


@rate.command(name="set")
@click.argument("service")
@click.argument("name")
@click.argument("value", type=Decimal)
@as_json
def set_(service: str, name: str, value: Decimal, *, as_json: bool) -> None:
    """Let SERVICE's rate NAME be VALUE credits from now on; jobs that exist keep their price."""
    from app.api.admin.schemas import NewRate, RateAnswer
    from app.services.admin_rates import set_rate

    new = checked(NewRate, value=value)
    version = changing(lambda db: set_rate(db, actor=ACTOR, service=service, name=name, value=new.value))
    if as_json:
        print_json(RateAnswer(service=service, name=name, value=new.value, version=version))
    else:
        click.echo(f"{service} {name} is {new.value} credits, as version {version} of the rates")
