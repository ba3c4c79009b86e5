"""Fresh secrets for a deployment, as the `.env` beside docker-compose.yml: `python3 -m app.secrets`.

It runs before anything is installed, so it needs the standard library alone. `phaya secrets` is another door to it.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

# 256 bits, in letters that mean nothing to a shell, a URL or a .env file.
SECRET_BYTES = 32
SECRETS = ("postgres", "database", "redis", "metrics")

TEMPLATE = """\
# The secrets and settings of this deployment, for `docker compose`. Keep a copy beside your backups, and nowhere else.
# Every setting there is: deploy/settings.md

# Made by `python3 -m app.secrets`. Postgres keeps the first as it was at the very first start.
POSTGRES_PASSWORD={postgres}
DATABASE_PASSWORD={database}
REDIS_PASSWORD={redis}
# Lets Prometheus read /metrics (docs/metrics.md).
PHAYA_METRICS_TOKEN={metrics}

# Providers: one without a key is off; several keys (`a,b`) take turns.
PHAYA_KIE_API_KEYS=
PHAYA_OPENROUTER_API_KEYS=
PHAYA_GEMINI_API_KEYS=
PHAYA_WHISPER_API_KEYS=

# Where the world reaches the API, for the addresses of results and for callbacks: https://media.example.com
# PHAYA_PUBLIC_URL=
"""


def render() -> str:
    """A whole `.env`, with secrets that nobody had before."""
    return TEMPLATE.format_map({name: secrets.token_hex(SECRET_BYTES) for name in SECRETS})


def write(path: Path) -> None:
    """Write a new `.env` for its owner's eyes alone. Raises FileExistsError: old secrets may guard a database."""
    with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(render())


if __name__ == "__main__":
    try:
        write(Path(".env"))
    except FileExistsError:
        sys.exit("There is a .env already, and its secrets may guard a database. Move it away if you want a new one.")
