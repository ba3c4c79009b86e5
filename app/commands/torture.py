"""`phaya torture`."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

SHOW_MOST = 20


@click.command()
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same plan.")
@click.option("--seeds", default=1, show_default=True, help="So many seeds, one after the other.")
@click.option("--jobs", type=click.IntRange(1), default=2_000, show_default=True, help="Orders that clients place.")
@click.option("--kills", type=click.IntRange(0), default=60, show_default=True, help="Kills and freezes among them.")
@click.option("--per-s", type=click.FloatRange(0.1), default=20.0, show_default=True, help="Orders in a second.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Keep everything in this folder, logs and all."
)
def torture(seed: int, seeds: int, *, jobs: int, kills: int, per_s: float, data: Path | None) -> None:
    """Kill a whole stack, again and again, while clients use it; then see that nothing was lost."""
    from app.torture.orders import menu
    from app.torture.plan import Size, make_plan
    from app.torture.run import torture as run

    size = Size(jobs=jobs, kills=kills, per_s=per_s)
    broken = 0
    for number in range(seed, seed + seeds):
        click.echo(f"Seed {number}: {jobs} jobs, {kills} kills")
        with _folder(data, number) as folder:
            verdict = run(make_plan(number, size, menu()), folder)
        for name, figure in verdict.figures.items():
            click.echo(f"  {name}: {figure}")
        for check, problems in verdict.breaches.items():
            click.echo(f"  BROKEN {check}: {len(problems)}")
            for problem in problems[:SHOW_MOST]:
                click.echo(f"    {problem}")
        broken += bool(verdict.breaches)
    click.echo(f"{seeds - broken} of {seeds} seeds without a violation")
    sys.exit(broken > 0)


@contextmanager
def _folder(data: Path | None, seed: int) -> Iterator[Path]:
    """A new folder for one seed: a temporary one, or one that stays."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="phaya-torture-") as scratch:
            yield Path(scratch)
    else:
        folder = data / f"seed-{seed}"
        folder.mkdir(parents=True)
        yield folder
