"""How others find a running stack: a JSON file that is there while everything answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.embedded.folder import write_private

FILE = "stack.json"
PARTS = ("api", "worker", "media-worker", "postgres", "redis", "sandbox")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running stack. `env` are the variables with which other `phaya` commands reach it; `pids` are by part."""

    api_url: str
    sandbox_url: str | None
    admin_key: str
    demo_key: str
    env: Mapping[str, str]
    pids: Mapping[str, Sequence[int]] = field(default_factory=dict)


def write(stack: Stack, files: Sequence[Path]) -> None:
    """Write the files, each whole at once and for its owner alone, since there are keys in it."""
    complete = asdict(stack) | {"pids": {part: stack.pids.get(part, []) for part in PARTS}}
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_private(file, json.dumps(complete, indent=2) + "\n")


def withdraw(files: Sequence[Path]) -> None:
    """Remove the files."""
    for file in files:
        file.unlink(missing_ok=True)


def find_stack(data: Path) -> Stack | None:
    """The stack that runs on this data folder, if one does."""
    file = data / FILE
    return Stack(**json.loads(file.read_text())) if file.exists() else None
