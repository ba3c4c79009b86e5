"""The books' append-only log: a file of JSON lines, so that a killed sandbox knows its tasks again."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from app.sandbox.directives import Directives, parse_words
from app.sandbox.records import Asked, Charge
from app.sandbox.tasks import Dialect, Source, Task

Record = Asked | Charge | Task
KINDS: dict[str, type[Record]] = {"asked": Asked, "charge": Charge, "task": Task}
READERS: dict[str, Callable[[Any], Any]] = {
    "credits": Decimal, "cost": Decimal, "directives": parse_words, "dialect": Dialect,
    "source": lambda values: Source(**values),
}
OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATACLASS
NAMES = {kind: name for name, kind in KINDS.items()}


class Journal:
    """One log. Without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0) if path else None
        self._drop_cut_line()

    def write(self, record: Record) -> None:
        """Hand the record to the operating system: it survives this process, not the machine."""
        if self._file:
            self._file.write(_line(record))

    def read(self) -> Iterator[Record]:
        """All records, oldest first."""
        if self._path:
            with self._path.open("rb") as lines:
                yield from (_record(orjson.loads(line)) for line in lines)

    def _drop_cut_line(self) -> None:
        """A kill may have cut the last line; nobody has had an answer for it."""
        if self._path and self._file:
            self._file.truncate(self._path.read_bytes().rfind(b"\n") + 1)

    def clear(self) -> None:
        """Forget all records."""
        if self._file:
            self._file.truncate(0)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def _line(record: Record) -> bytes:
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return orjson.dumps({"kind": NAMES[type(record)], **values}, default=_plain, option=OPTIONS)


def _plain(value: object) -> object:
    match value:
        case Directives():
            return value.words()
        case Source():
            return asdict(value)
        case _:
            return str(value)


def _record(values: dict[str, Any]) -> Record:
    kind = KINDS[values.pop("kind")]
    return kind(**{name: READERS[name](value) if name in READERS else value for name, value in values.items()})


