"""Answers that real services have given or are documented to give, odd ones before all; each is a file in `saved/`.

A file's first line is the HTTP status and the content type; the body begins after an empty line. `$task_id`, `$model`
and `$base_url` stand for those of the request.
"""

from functools import cache
from pathlib import Path
from string import Template

from starlette.responses import Response

FOLDER = Path(__file__).parent / "saved"


@cache
def names() -> frozenset[str]:
    """All saved answers."""
    return frozenset(file.stem for file in FOLDER.glob("*.txt"))


def saved_answer(name: str, **values: str) -> Response:
    """The answer, with the values in their places."""
    head, _, body = (FOLDER / f"{name}.txt").read_bytes().decode().partition("\n\n")
    status, _, kind = head.partition(" ")
    return Response(Template(body).safe_substitute(values), int(status), media_type=kind)
