"""`phaya prove`: the long proofs, one after the other, before a release."""

import subprocess
import sys
import time

import click

SEEDS = 20


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=SEEDS, show_default=True, help="Of the torture.")
@click.option("--only", type=click.Choice(["torture", "bench"]), multiple=True, help="Not all: this one; repeatable.")
def prove(seeds: int, only: tuple[str, ...]) -> None:
    """Run the long proofs: the torture at its full size, and the bench with its audit."""
    proofs = {
        "torture": ("torture", "--seeds", str(seeds)),
        "bench": ("bench",),
    }
    failed = 0
    chosen = {name: words for name, words in proofs.items() if not only or name in only}
    for name, words in chosen.items():
        click.echo(f"== {name}: phaya {' '.join(words)}")
        began = time.monotonic()
        status = subprocess.run((sys.executable, "-m", "app.cli", *words), check=False).returncode
        failed += status != 0
        click.echo(f"== {name}: {'failed' if status else 'passed'} in {(time.monotonic() - began) / 60:.1f} minutes")
    click.echo(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(failed > 0)
