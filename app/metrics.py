"""What a process counts of itself, for `/metrics`. What the database knows is read there instead, when it is asked.

With several API processes prometheus-client keeps these in files that all of them share (`PROMETHEUS_MULTIPROC_DIR`,
set by `phaya api`), so that whichever process is asked answers for all.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry()
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Histogram(
    "phaya_http_request_seconds", "Time to the end of the answer, streams included, by route template and status",
    ("method", "route", "status"), buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
    registry=REGISTRY,
)
COUNTED_LOCALLY = Counter(
    "phaya_rate_limit_local", "Requests whose rate was counted in the process because Redis did not answer",
    registry=REGISTRY,
)
OVERRUN = Counter(
    "phaya_call_overrun_credits", "What calls to language models cost beyond the bound that was held for them",
    registry=REGISTRY,
)

# Looking a child up by its labels costs more than the observation.
_children: dict[tuple[str, str, int], Histogram] = {}


def observe_request(method: str, route: str, status: int, *, seconds: float) -> None:
    """Count one request. `route` is a template: there are as many series as routes, whatever strangers ask for."""
    labels = (method if method in METHODS else "other", route, status)
    child = _children.get(labels)
    if child is None:
        child = _children[labels] = REQUESTS.labels(*labels)
    child.observe(seconds)


def render(shared_folder: Path | None) -> bytes:
    """What this process counted or, with a shared folder, what all API processes have since `phaya api` started."""
    if shared_folder is None:
        return generate_latest(REGISTRY)
    merged = CollectorRegistry()
    MultiProcessCollector(merged, path=str(shared_folder))  # type: ignore[no-untyped-call]
    return generate_latest(merged)
