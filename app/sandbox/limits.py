"""Sliding-window rate limits: what is over the limit is refused, not queued."""

import time
from collections import defaultdict, deque


class Limits:
    """Counters by name."""

    def __init__(self) -> None:
        self._taken: defaultdict[str, deque[float]] = defaultdict(deque)

    def allows(self, name: str, limit: int, window_s: float) -> bool:
        """Count one and return True if fewer than `limit` were counted in the last `window_s` seconds."""
        now = time.monotonic()
        taken = self._taken[name]
        while taken and taken[0] <= now - window_s:
            taken.popleft()
        if len(taken) >= limit:
            return False
        taken.append(now)
        return True

    def reset(self) -> None:
        """Forget what was counted."""
        self._taken.clear()
