"""`phaya prove`: the long proofs, one after the other, before a release."""

import subprocess
import sys
import time
from collections.abc import Mapping

import click

SEEDS = 20
PROOFS: Mapping[str, tuple[str, ...]] = {
    "faults": ("pytest", "tests/e2e/test_faults.py"),
    "keys": ("pytest", "--long", "-s", "tests/e2e/test_many_keys.py"),
    "histories": ("pytest", "--long", "tests/integration/test_money_machine.py"),
    "fuzz": ("pytest", "--hypothesis-profile=long", "--timeout=900", "tests/security/test_fuzz.py"),
    "secrets": ("pytest", "--long", "tests/security/test_secrets_stay.py"),
    "bench": ("app.cli", "bench"),
    "torture": ("app.cli", "torture", "--seeds"),
}


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=SEEDS, show_default=True, help="Of the torture.")
@click.option("--only", type=click.Choice(list(PROOFS)), multiple=True, help="Not all: this one; repeatable.")
def prove(seeds: int, only: tuple[str, ...]) -> None:
    """Run the long proofs, from a checkout.

    \b
    faults     mistakes that are planted on purpose are found
    keys       1,000 idempotency keys x 20 posts at once are one job and one debit each
    histories  made-up histories of jobs and money, against a model
    fuzz       every operation of /openapi.json is asked, well and badly, and answers as described
    secrets    10,000 lines of a log hold none
    bench      how fast it is, with an audit at the end
    torture    whole stacks, killed and frozen, lose nothing
    """
    chosen = {name: words for name, words in PROOFS.items() if not only or name in only}
    failed = []
    for name, words in chosen.items():
        told = (*words, str(seeds)) if name == "torture" else words
        click.echo(f"== {name}: python -m {' '.join(told)}")
        began = time.monotonic()
        status = subprocess.run((sys.executable, "-m", *told), check=False).returncode
        click.echo(f"== {name}: {'failed' if status else 'passed'} in {(time.monotonic() - began) / 60:.1f} minutes")
        if status:
            failed.append(name)
    click.echo(f"{len(chosen) - len(failed)} passed, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    sys.exit(bool(failed))
