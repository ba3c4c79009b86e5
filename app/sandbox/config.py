"""What a sandbox is started with."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

# Any non-empty bearer key is good, except these.
INVALID_KEY = "sandbox-invalid"
BROKE_KEY = "sandbox-broke"
FORBIDDEN_KEY = "sandbox-forbidden"
MANAGEMENT_KEY = "sandbox-management"


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """One sandbox. Durations are in seconds; `time_scale` multiplies those that the sandbox chooses itself.

    With `data_dir` the books and the files outlive the process: a restarted sandbox answers for its old tasks.
    """

    host: str = "127.0.0.1"
    port: int = 0
    data_dir: Path | None = None
    time_scale: float = 1.0
    # KIE sends HTTP 200 with the truth in `code`; this sends the truth as the HTTP status, too.
    real_http_statuses: bool = False
    kie_credits: Decimal = Decimal(1_000_000)
    kie_creates_per_10s: int = 20
    kie_queries_per_s: int = 10
    openrouter_dollars: Decimal = Decimal(10_000)
    hmac_key: str | None = None
    callback_timeout_s: float = 15
    callback_pauses_s: tuple[float, ...] = (1, 2, 4)
    files_live_s: float = 24 * 3600
    max_tasks: int = 200_000
    max_requests: int = 200_000
