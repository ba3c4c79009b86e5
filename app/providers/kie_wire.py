"""KIE.ai's envelope, and what its codes mean (upstreams/kie.md 1.4).

The HTTP status is 200 even for a refusal: `code` in the body decides, and where there is no such body nobody knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import Broken, Rejected, Throttled, Unclear
from app.providers.port import Failed, JsonObject, Missing, Task, TaskReport, Verdict

MAINTENANCE_S = 60
# A key that is refused, empty or over its own cap is left alone for this long.
KEY_REST_S = 300

REFUSED_REQUEST = "The provider refused the request"
NOT_MADE = "The provider could not make it"
NOT_FETCHED = "The provider could not read an input file"

# A create that was not taken, for good. 500 is a refusal there, most often of a parameter.
REFUSED: Mapping[int, type[Rejected] | type[Broken]] = {
    400: Rejected, 404: Rejected, 409: Rejected, 413: Rejected, 422: Rejected, 451: Rejected,
    408: Broken, 500: Broken, 501: Broken, 505: Broken, 531: Broken,
}
# A create that was not taken now.
TRY_LATER: Mapping[int, float] = {429: 10, 455: MAINTENANCE_S}
LOST = 0
KEY_TROUBLE = frozenset({401, 402, 403, 433})
UPLOAD_REFUSED = frozenset({400, 413, 415, 422})

# A query that is answered otherwise than by a record. What is in no table is no answer: it is asked again.
UNKNOWN_TASK: Mapping[int, Verdict] = {404: Missing(), 422: Missing()}

# Why a task failed, by the code in its record. What is not here is the provider's own trouble.
FAILURES: Mapping[str, str] = {"400": REFUSED_REQUEST, "413": REFUSED_REQUEST, "422": REFUSED_REQUEST,
                               "451": NOT_FETCHED}


@dataclass(frozen=True)
class Dialect:
    """One family of KIE's routes: where they are, how a task is written for them, and how its record is read.

    `read` raises ValueError for a record that it does not understand: an alarm, never a guess.
    """

    create_path: str
    query_path: str
    body: Callable[[Task, str | None], JsonObject]
    read: Callable[[Any], TaskReport]
    query_codes: Mapping[int, Verdict] = field(default_factory=lambda: UNKNOWN_TASK)


class Envelope(BaseModel):
    """Every answer of KIE; `data` is as its route has it."""

    model_config = ConfigDict(extra="ignore")

    code: int
    msg: str | None = None
    message: str | None = None
    data: Any = None

    @property
    def text(self) -> str:
        """What it says beside its code."""
        return (self.msg or self.message or "")[:500]


def read_envelope(content: bytes) -> Envelope | None:
    """The envelope, or None for bytes that are none."""
    try:
        return Envelope.model_validate_json(content)
    except ValidationError:
        return None


def excerpt(content: bytes) -> str:
    """The beginning of an answer, for the operator."""
    return content[:500].decode(errors="replace")


def read_accepted(status: int, content: bytes) -> str:
    """The task id in an answer to a create; raises what the answer means otherwise."""
    answer = read_envelope(content)
    detail = f"HTTP {status}: {excerpt(content)}"
    code = answer.code if answer is not None else status if 400 <= status < 500 else LOST
    if code == 200 and status == 200:
        task_id = answer.data.get("taskId") if answer and isinstance(answer.data, dict) else None
        if isinstance(task_id, str) and task_id:
            return task_id
    if code in TRY_LATER:
        raise Throttled("The provider is busy", retry_after_s=TRY_LATER[code], detail=detail)
    if code in KEY_TROUBLE:
        raise Throttled("The provider is not available", retry_after_s=KEY_REST_S, detail=detail, is_about_key=True)
    if code in REFUSED:
        refusal = REFUSED[code]
        raise refusal(REFUSED_REQUEST if refusal is Rejected else NOT_MADE, detail=detail)
    raise Unclear("The provider's answer was lost", detail=detail)


def read_uploaded(status: int, content: bytes) -> str:
    """The address in an answer of the upload host. Raises Rejected for a file it will not have, else Throttled."""
    answer = read_envelope(content)
    code = answer.code if answer is not None else status
    data = answer.data if answer is not None and status == code == 200 else None
    address = data.get("downloadUrl") if isinstance(data, dict) else None
    if isinstance(address, str):
        return address
    if code in UPLOAD_REFUSED:
        raise Rejected("The provider does not accept the input file", detail=excerpt(content))
    raise Throttled("The provider did not take the input file", detail=f"HTTP {status}: {excerpt(content)}")


def read_report(dialect: Dialect, status: int, content: bytes) -> TaskReport:
    """The verdict in an answer to a query. Raises Throttled where it holds none."""
    answer = read_envelope(content)
    if answer is None or status != 200:
        raise Throttled("No answer", detail=f"HTTP {status}: {excerpt(content)}")
    if answer.code in dialect.query_codes:
        return TaskReport(dialect.query_codes[answer.code])
    if answer.code != 200:
        raise Throttled("No answer", detail=f"code {answer.code}: {answer.text}")
    try:
        return dialect.read(answer.data)
    except ValueError as error:
        raise Throttled("No answer", detail=str(error)[:500]) from error


def failed(code: object, text: object, cost: Any = None) -> Failed:
    """A task that failed, in words for the client and in KIE's own for the operator."""
    return Failed(FAILURES.get(str(code), NOT_MADE), detail=f"{code}: {text}"[:500], cost=cost)


def parse_object(text: object) -> dict[str, Any]:
    """JSON within JSON: an object, or an empty one for anything else."""
    try:
        value = orjson.loads(text) if isinstance(text, str) else text
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def parse_urls(value: object) -> tuple[str, ...]:
    """Addresses from a list, from one string, or from a list that is written as a string (kie.md 3.4)."""
    if isinstance(value, str):
        inner = value.strip().removeprefix("[").removesuffix("]")
        value = [part.strip(" \"'") for part in inner.split(",")] if inner != value.strip() else [inner]
    if not isinstance(value, list):
        return ()
    return tuple(url for url in value if isinstance(url, str) and url)


def callback_in(param: object) -> str | None:
    """The callback address in what KIE keeps of a create: the proof whose task it is."""
    address = parse_object(param).get("callBackUrl")
    return address if isinstance(address, str) else None
