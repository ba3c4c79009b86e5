"""`phaya`: one command line for every process and every act of the operator.

Each command is a module in `app.commands`. These import what they need when they run, so that help comes at once.
"""

import click

from app.commands.account import account
from app.commands.audit import acts, audit
from app.commands.bench import bench
from app.commands.credits import correct, grant, ledger
from app.commands.demo import demo
from app.commands.job import job
from app.commands.key import key
from app.commands.prove import prove
from app.commands.rate import rate
from app.commands.report import report
from app.commands.secrets import secrets
from app.commands.serve import api, migrate, sandbox, worker
from app.commands.services import services
from app.commands.torture import torture
from app.commands.up import up
from app.errors import AppError, EmbeddedError


class Phaya(click.Group):
    """Shows the failures that we name as one line; anything else is a mistake of ours and keeps its traceback."""

    def invoke(self, context: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(context)
        except (AppError, EmbeddedError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Phaya)
def main() -> None:
    """A self-hosted AI media broker."""


for command in (up, demo, bench, torture, prove, api, worker, sandbox, migrate, secrets):
    main.add_command(command)
for command in (account, key, grant, correct, ledger, job, rate, audit, report, acts, services):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="phaya")
