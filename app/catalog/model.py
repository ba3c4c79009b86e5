"""What a service is: the vocabulary in which the files in entries/ are written."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.catalog.rules import Rule
from app.catalog.vocabulary import Vocabulary
from app.config import Settings
from app.ledger import HoldKind
from app.media.formats import Kinds
from app.media.join import Clip
from app.media.probe import MediaInfo
from app.providers.port import Outputs, Task

Credits = Decimal
Rates = Mapping[str, Decimal]
# What a provider takes for one of each rate, by its list, in its own unit (KIE's credits, or US dollars).
Costs = Mapping[str, Decimal]


class ServiceRequest(BaseModel):
    """The body of a create. Unknown fields are ignored and types are strict, as the contract wants (1.1, 1.11)."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


def _http_url(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("must be an http(s) URL")
    return value


# An address that the server fetches itself; other schemes are refused (contract 1.10). Whether it may be fetched
# from there app.services.submit_job asks the guarded fetcher, before anything is held.
MediaUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=4_096), AfterValidator(_http_url),
    Field(json_schema_extra={"format": "uri"}),
]


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


NotBlank = AfterValidator(_not_blank)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# An integer, also as `5.0`, which is one in JSON.
WholeNumber = Annotated[int, BeforeValidator(_whole)]


def rounded(credits: Decimal, places: int) -> Decimal:
    """Round half up, the one rounding of this product (contract 1.3)."""
    return credits.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


MIB = 1024 * 1024
# The media utilities share one status route (contract 4.3).
MEDIA_STATUS = "/media/status/{job_id}"


@dataclass(frozen=True)
class Takes:
    """What a provider takes of an input; a file beyond it is made anew, to fit (app.media.refit)."""

    types: frozenset[str]
    limit_bytes: int


@dataclass(frozen=True)
class Input:
    """A field of the request that holds one URL or a list of them, fetched once, probed and stored before use.

    `types` narrows `kinds` to some content types. `check` raises MediaError, in one sentence for the client, for a file
    that the service cannot use.
    """

    field: str
    kinds: Kinds
    limit_bytes: int = 100 * MIB
    types: frozenset[str] | None = None
    check: Callable[[MediaInfo], None] | None = None
    upstream: Takes | None = None


@dataclass(frozen=True)
class InputFile:
    """A fetched input: our register's id, what the probe said, and where the provider or a local tool finds it."""

    file_id: UUID
    media: MediaInfo
    upstream_url: str | None = None
    path: Path | None = None


Inputs = Mapping[str, Sequence[InputFile]]


def upstream_urls(inputs: Inputs, name: str) -> list[str]:
    """The provider's own addresses of a field's files."""
    return [file.upstream_url for file in inputs.get(name, ()) if file.upstream_url]


@dataclass(frozen=True)
class Form:
    """One way of asking a provider: the routes it goes by, and how the request is brought to what they take.

    `task` is given what the `rules` have made of the request, and names one of the provider's `models`.
    """

    task: Callable[[Any, Inputs], Task]
    models: tuple[str, ...]
    dialect: str = "jobs"
    rules: tuple[Rule, ...] = ()
    needs_callback: bool = False


@dataclass(frozen=True)
class UpstreamTask:
    """Run by a provider. `legacy` goes by routes of the model's own, where the settings prefer them."""

    provider: str
    form: Form
    legacy: Form | None = None

    @property
    def lane(self) -> str:
        return self.provider

    @property
    def forms(self) -> tuple[Form, ...]:
        return (self.form, self.legacy) if self.legacy else (self.form,)


@dataclass(frozen=True)
class Made:
    """What local work made: files in its work folder, in order, and values that are not files.

    `credits` is what to capture where the price depends on use (at most what is held); None captures all.
    """

    files: tuple[Path, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    credits: Credits | None = None
    # What the result costs beyond what was held at create; held and captured at once when the job succeeds.
    further_credits: Credits = Decimal(0)


class Progress(Protocol):
    """Told how far the work is, 0 to 100. Cheap: it may be called for every frame."""

    def __call__(self, percent: float, /) -> None: ...


@dataclass(frozen=True)
class Answered:
    """What a paid call answered: JSON, and its file in the work folder, if it made one."""

    output: Mapping[str, Any]
    file: Path | None = None


class PaidCalls(Protocol):
    """The paid calls of a job, each made once: its intent is committed before it, what it answered after it."""

    async def once(
        self, step: str, provider: str, ask: Mapping[str, object], *, files: Mapping[str, Path] = {}
    ) -> Answered:
        """What the provider answers to this step; after a restart the kept answer, unpaid.

        Raises ProviderError. A step whose outcome is unknown is never sent again.
        """


@dataclass(frozen=True)
class Work:
    """What local work is given: the request, its inputs as files, a private folder, whom to tell how far it is, the
    rates in force, what the caller can pay beyond what is held, the way to providers, and the settings."""

    request: Any
    inputs: Inputs
    folder: Path
    progress: Progress
    rates: Rates
    affordable: Credits
    calls: PaidCalls
    settings: Settings

    def clips(self, field: str) -> list[Clip]:
        """The input's files in the folder, with what was measured of them."""
        return [Clip(file.path, file.media) for file in self.inputs[field] if file.path is not None]


@dataclass(frozen=True)
class LocalWork:
    """Run here, step by step: `run` makes files in its private folder.

    `lane` is `media` for work that takes a core; `needs` names a provider without whose key the service is off.
    """

    run: Callable[[Work], Awaitable[Made]]
    time_limit_s: float = 900
    lane: str = "media"
    needs: str | None = None
    # What a paid call costs by the list, from what it counted; None where that cannot be told.
    call_cost: Callable[[Mapping[str, Any], Costs], Decimal | None] | None = None

    @property
    def provider(self) -> str | None:
        return self.needs


@dataclass(frozen=True)
class ResultFile:
    """A stored result as a client sees it."""

    url: str
    content_type: str


@dataclass(frozen=True)
class JobResult:
    """What a succeeded job has to show."""

    files: Sequence[ResultFile] = ()
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultField:
    """One field of the status answer; null until the job has succeeded (contract 1.9).

    `example`, or the `suffix` of a file's address, is for the documentation, where the name alone does not tell it.
    """

    name: str
    read: Callable[[JobResult], object]
    schema: Mapping[str, object]
    example: object = None
    suffix: str | None = None


# A file's address, or words; null until there is one.
TEXT: Mapping[str, object] = {"type": ["string", "null"]}


def first_file(name: str, *, suffix: str | None = None) -> ResultField:
    """The address of the first file."""
    return ResultField(
        name, lambda result: result.files[0].url if result.files else None, TEXT, suffix=suffix
    )


def second_file(name: str, *, suffix: str | None = None) -> ResultField:
    """The address of the second file, if there is one."""
    return ResultField(
        name, lambda result: result.files[1].url if len(result.files) > 1 else None, TEXT, suffix=suffix
    )


def last_file(name: str) -> ResultField:
    """The address of the last file, which may be the only one."""
    return ResultField(name, lambda result: result.files[-1].url if result.files else None, TEXT)


def all_files(name: str) -> ResultField:
    """The addresses of all files, in the provider's order."""
    return ResultField(
        name,
        lambda result: [file.url for file in result.files] or None,
        {"type": ["array", "null"], "items": {"type": "string"}},
    )


def value(name: str, schema: Mapping[str, object] = TEXT, *, example: object = None) -> ResultField:
    """A value that is not a file."""
    return ResultField(name, lambda result: result.values.get(name), schema, example)


@dataclass(frozen=True)
class Metered:
    """Priced by how long an input lasts, which is measured during the create; `Service.price` is then the least.

    `price` gets the request, the rates and the seconds of the first file in `field`.
    """

    field: str
    price: Callable[[Any, Rates, Decimal], Credits]


@dataclass(frozen=True)
class Owned:
    """A field that names things which earlier jobs of the caller made: `value` among the results of `service`."""

    field: str
    service: str
    value: str


@dataclass(frozen=True)
class Creations:
    """`GET /<service>/list`: what the caller's jobs made, under `name`, with these fields of their requests."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A request that the documentation shows and the suite sends, and what it costs.

    `seconds` is how long the measured input of a metered service lasts.
    """

    request: Mapping[str, object]
    credits: str
    seconds: str | None = None


@dataclass(frozen=True)
class Listing:
    """An answer of the service at `GET /<service>/<name>` that only the settings change; a public one needs no key."""

    name: str
    summary: str
    body: Callable[[Settings], Mapping[str, object]]
    fields: Mapping[str, Mapping[str, object]]  # JSON Schemas of what each of those that are listed has
    is_public: bool = False


def listed(costs: Mapping[str, str]) -> Callable[[Settings, date], Mapping[str, str]]:
    """A list price that depends neither on a setting nor on the day."""
    return lambda settings, on: costs


UNKNOWN = listed({})


@dataclass(frozen=True)
class Service:
    """One media service, whole. Routes, OpenAPI, prices, docs and the contract suite come from it."""

    id: str
    title: str
    summary: str
    group: Literal["image", "video", "audio", "media"]
    request: type[ServiceRequest]
    rates: Mapping[str, str]
    price: Callable[[Any, Rates], Credits]
    run: UpstreamTask | LocalWork
    vocabulary: Vocabulary
    results: tuple[ResultField, ...]
    # What its files are; `Kinds(0)` for a service that makes none.
    result_kinds: Kinds
    examples: tuple[Example, ...]
    inputs: tuple[Input, ...] = ()
    owned: Owned | None = None
    creations: Creations | None = None
    # For people: what the rates are rates of.
    priced: str = "For each job, debited at create."
    # The provider's list price for one of each rate on a day, where it is known. Of a provider's task it names every
    # rate, so that `price` makes the cost of a request of it.
    costs: Callable[[Settings, date], Mapping[str, str]] = UNKNOWN
    metered: Metered | None = None
    hold: HoldKind = HoldKind.VISIBLE
    verb: Literal["create", "generate"] = "create"
    is_cancellable: bool = False
    has_callback: bool = False
    has_history: bool = False
    listings: tuple[Listing, ...] = ()
    # What a client may poll for this long without surprise, and when we give up (both from create).
    usual_s: float = 30
    deadline_s: float = 3_600
    result_limit_bytes: int = 500 * MIB
    create_path: str = ""
    status_path: str = ""
    # Raises Invalid, before anything is held, for a request that this server does not serve by its settings.
    check: Callable[[Any, Settings], None] | None = None
    # What was made by the provider beyond files, checked and named as result values.
    read_outputs: Callable[[Outputs], Mapping[str, object]] = lambda outputs: {}
    # Brings the provider's files, in a private folder, to what the client asked for. Raises MediaError.
    finish: Callable[[Any, Sequence[Path], Path], Awaitable[Sequence[Path]]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "create_path", self.create_path or f"/{self.id}/{self.verb}")
        object.__setattr__(self, "status_path", self.status_path or f"/{self.id}/status/{{job_id}}")

    @property
    def kind(self) -> str | None:
        """What tells its jobs apart on a status route that several services share."""
        return self.id if self.status_path == MEDIA_STATUS else None

    @property
    def lane(self) -> str:
        """Where its jobs wait: the provider's name, or `media` for local work."""
        return self.run.lane

    @property
    def provider(self) -> str | None:
        """Whom its jobs have to pay; None for what costs nothing but our own time."""
        return self.run.provider


def flat_price(name: str = "job") -> Callable[[ServiceRequest, Rates], Credits]:
    """The same amount for every request."""
    return lambda request, rates: rates[name]
