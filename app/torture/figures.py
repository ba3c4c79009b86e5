"""The figures of a run: how much happened, and how bad it was."""

from collections import Counter

from app.torture.checks import Resumed, resumptions
from app.torture.evidence import Evidence
from app.torture.plan import Deed


def figures_of(it: Evidence) -> dict[str, str]:
    """By name, as they are shown."""
    told = it.log.told.values()
    moves = Counter(move for job in it.jobs.values() for move in job.moves)
    entries = Counter(kind for job in it.jobs.values() for hold in job.holds for kind, _ in hold.entries)
    unclear = sum(count for (_, target), count in moves.items() if target == "unclear")
    return {
        "orders": f"{len(told)}: {sum(bool(it.job_ids) for it in told)} accepted, "
                  f"{sum(it.refused == 402 for it in told)} refused for credits",
        "jobs": _counts(Counter(job.state for job in it.jobs.values())),
        "kills": _counts(Counter(done.act.part for done in it.done if done.act.deed is not Deed.FREEZE)),
        "freezes": _counts(Counter(done.act.part for done in it.done if done.act.deed is Deed.FREEZE)),
        "Redis wiped": str(sum(done.act.deed is Deed.WIPE for done in it.done)),
        "asked again": _counts(it.log.asked_again),
        "replays": str(sum(it.replays for it in told)),
        "upstream creates": str(len(it.tasks)),
        "ambiguous submits": f"{unclear}, of them adopted {moves['unclear', 'running']}, "
                             f"given up {moves['unclear', 'failed']}",
        "refunds": str(entries["refund"]),
        "failures": _counts(Counter(job.reason for job in it.jobs.values() if job.state == "failed")),
        "results opened": str(it.opened_files),
        "a dead worker's jobs went on after": _spread(resumptions(it, undisturbed=True)),
        "the same, whatever else was hit": _spread(resumptions(it, undisturbed=False)),
    }  # fmt: skip


def _counts(counts: Counter[str] | Counter[str | None]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=str)) or "0"


def _spread(resumed: list[Resumed]) -> str:
    if not resumed:
        return "nothing was in hand"
    ordered = sorted(job.after_s for job in resumed)
    return f"p50 {ordered[len(ordered) // 2]:.1f} s, p100 {ordered[-1]:.1f} s ({len(ordered)} jobs)"
