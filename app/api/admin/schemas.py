"""What the operator's routes take and answer. The command line prints the same shapes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from app.accounts.keys import ALL_SERVICES
from app.jobs.states import AttemptOutcome, JobState
from app.ledger import Adjustment, EntryKind, HoldKind, HoldState
from app.services.admin_views import JobDossier

Item = TypeVar("Item")

# The only place where an operator sees an amount as a float.
Credits = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
CreditsIn = Annotated[Decimal, Field(max_digits=20, decimal_places=9)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(max_length=1_000)]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=320, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$"),
    Field(examples=["team@example.org"]),
]


def _in_the_future(at: datetime) -> datetime:
    now = datetime.now(UTC)
    if not now < at < now + timedelta(days=36_525):
        raise ValueError("must be in the future, within a hundred years")
    return at


def _not_zero(credits: Decimal) -> Decimal:
    if credits == 0:
        raise ValueError("must not be 0")
    return credits


Expiry = Annotated[AwareDatetime, AfterValidator(_in_the_future)]


class Body(BaseModel):
    """A request. Other than the services', it refuses unknown fields: a limit that is misspelt must not be no limit."""

    model_config = ConfigDict(extra="forbid")


def _without_defaults(schema: dict[str, Any]) -> None:
    """Nothing is assumed for a field that is left out, so none is described."""
    for field in schema["properties"].values():
        field.pop("default", None)


class NewAccount(Body):
    """An account to be opened."""

    email: Email
    name: Text


class NewGrant(Body):
    """Credits to be added."""

    credits: Annotated[CreditsIn, Field(gt=0)]
    note: Note = ""


class NewCorrection(Body):
    """Credits to be added or, with a minus, taken away, to set a mistake right."""

    credits: Annotated[CreditsIn, AfterValidator(_not_zero)]
    note: Note


class NewKey(Body):
    """A key to be made. Scopes are service ids, the groups `image video audio llm media`, `account:read`, `admin`."""

    name: Text
    scopes: Annotated[list[str], Field(max_length=100)] = list(ALL_SERVICES)
    credit_limit: Annotated[CreditsIn, Field(ge=0)] | None = None
    expires_at: Expiry | None = None
    addresses: Annotated[list[str], Field(max_length=100, examples=[["203.0.113.7", "2001:db8::/32"]])] = []
    rate_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None


class KeyChange(Body):
    """Other limits for a key; what is left out stays."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: Text = ""
    scopes: Annotated[list[str], Field(max_length=100)] = []
    credit_limit: Annotated[CreditsIn, Field(ge=0)] | None = None
    expires_at: Expiry | None = None
    addresses: Annotated[list[str], Field(max_length=100)] = []
    rate_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None


class NewRate(Body):
    """A rate's new value, in credits."""

    value: Annotated[CreditsIn, Field(ge=0)]


class Answer(BaseModel):
    """An answer, read off what the services give."""

    model_config = ConfigDict(from_attributes=True)


class Ok(Answer):
    """An answer that is an object of its own."""

    success: Literal[True] = True


class Page(Ok, Generic[Item]):
    """Some items, and where the next page begins; null at the end."""

    items: list[Item]
    next: UUID | int | None


class Account(Answer):
    """An account and its money. `available` is the balance less what running jobs may still take."""

    account_id: UUID
    email: str
    name: str
    credits_balance: Credits
    available: Credits
    created_at: datetime


class AccountAnswer(Ok, Account):
    """One account."""


class Key(Answer):
    """A key. `hint` is how the secret begins; `spent` counts open holds and what was charged."""

    key_id: UUID
    account_id: UUID
    name: str
    hint: str
    scopes: list[str]
    addresses: list[str]
    rate_per_minute: int | None
    credit_limit: Credits | None
    spent: Credits
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class KeyAnswer(Ok, Key):
    """One key."""


class NewKeyAnswer(KeyAnswer):
    """A new key, and the only time that its secret is shown."""

    key: str


class Entry(Answer):
    """One movement of an account's balance."""

    entry_id: int = Field(validation_alias="id")
    account_id: UUID
    kind: EntryKind
    amount: Credits
    balance_after: Credits
    service: str | None
    job_id: UUID | None
    description: str
    created_at: datetime


class EntryAnswer(Ok):
    """The entry that was made, now or by an earlier request with the same Idempotency-Key."""

    account_id: UUID
    entry_id: int
    kind: EntryKind
    credits: Credits
    credits_balance: Credits
    note: str
    created_at: datetime

    @classmethod
    def of(cls, made: Adjustment) -> Self:
        """The answer to a grant or a correction."""
        entry = made.entry
        return cls(
            account_id=entry.account_id, entry_id=entry.id, kind=entry.kind, credits=entry.amount,
            credits_balance=entry.balance_after, note=entry.description, created_at=entry.created_at,
        )


class Job(Answer):
    """A job. `credits` is its frozen price, or what was set aside where use decides."""

    job_id: UUID = Field(validation_alias="id")
    account_id: UUID
    key_id: UUID
    service: str
    lane: str
    state: JobState
    credits: Credits
    credits_used: Credits
    progress: int | None
    reason: str | None
    error: str | None
    is_flagged: bool
    created_at: datetime
    deadline_at: datetime
    ended_at: datetime | None


class Event(Answer):
    """One move of a job."""

    source: JobState | None
    target: JobState
    detail: str | None
    at: datetime


class Attempt(Answer):
    """One paid call. `cost` is in the provider's own unit, `provider_key` a fingerprint."""

    number: int
    provider: str
    provider_key: str
    step: str | None
    task_id: str | None
    outcome: AttemptOutcome
    cost: Credits | None
    detail: str | None
    created_at: datetime
    answered_at: datetime | None


class Hold(Answer):
    """Credits set aside for the job, and what became of them."""

    hold_id: UUID = Field(validation_alias="id")
    kind: HoldKind
    state: HoldState
    amount: Credits
    captured: Credits
    created_at: datetime
    resolved_at: datetime | None


class JobAnswer(Ok, Job):
    """A job with all that stands behind it."""

    request: dict[str, Any]
    result: dict[str, Any]
    message: str | None
    rates_version: int
    tries: int
    events: list[Event]
    attempts: list[Attempt]
    holds: list[Hold]

    @classmethod
    def of(cls, dossier: JobDossier) -> Self:
        """The answer from the job and what stands behind it."""
        parts = {"events": dossier.events, "attempts": dossier.attempts, "holds": dossier.holds}
        return cls.model_validate(vars(dossier.job) | parts)


class Resolution(Body):
    """What an operator found out about a job whose answer was lost. A success of a live job names the provider's task:
    its result is fetched and stored before it is charged."""

    outcome: Literal["succeeded", "failed"]
    task_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    note: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class ResolveAnswer(Ok):
    """The job's state now: `unclear` while its task is being taken up, or the end that it has reached."""

    job_id: UUID
    state: JobState


class CancelAnswer(Ok):
    """The job's state now; anything but `cancelled` is the end that it had reached before."""

    job_id: UUID
    state: JobState


class Rate(Answer):
    """A rate in force, and what the catalogue says."""

    service: str
    name: str
    value: Credits
    default: Credits | None
    changed_at: datetime | None


class RatesAnswer(Ok):
    """All rates."""

    items: list[Rate]


class RateAnswer(Ok):
    """A rate from now on. Jobs that exist keep their price."""

    service: str
    name: str
    value: Credits
    version: int


class Act(Answer):
    """One thing that an admin did; `actor` is a key's id, or the program's name."""

    act_id: int = Field(validation_alias="id")
    actor: str
    act: str
    subject: str
    detail: dict[str, Any]
    at: datetime


class Violation(Answer):
    """One row that breaks one rule."""

    rule: str
    subject: str
    detail: str


class AuditAnswer(Ok):
    """What breaks the rules of money, and how much was looked at."""

    is_clean: bool
    violations: list[Violation]
    accounts: int
    entries: int
    holds: int
    jobs: int
    balance: Credits


class ServiceFigures(Answer):
    """A service's jobs that ended in the report's time, what they earned and what they cost. `cost` is in the
    provider's unit. `lost_usd` is what jobs cost that did not succeed. The cost of `by_list` calls is the provider's
    list price, that of `unknown` ones counts as nothing. The rates `below_cost` are below the provider's list."""

    service: str
    provider: str | None
    succeeded: int
    failed: int
    cancelled: int
    credits: Credits
    earned_usd: Credits
    cost: Credits
    cost_usd: Credits
    margin_usd: Credits
    lost_usd: Credits
    by_list: int
    unknown: int
    below_cost: list[str]


class PurseFigures(Answer):
    """A key's account with a provider, in its unit. `drift` is what it lost beyond what our books say, from `since` to
    `until`, as far as readings reach."""

    provider: str
    provider_key: str = Field(validation_alias="fingerprint")
    left: Credits | None
    least: Credits
    is_low: bool
    seen_at: datetime
    since: datetime | None
    until: datetime | None
    lost: Credits | None
    booked: Credits | None
    drift: Credits | None


class PurseDay(Answer):
    """What a key's account lost on a day of UTC, beside what our books said when that was over."""

    day: date
    provider: str
    provider_key: str = Field(validation_alias="fingerprint")
    lost: Credits
    booked: Credits
    drift: Credits


class ReportAnswer(Ok):
    """What was earned and spent from `since` on and before `until`, and what there is to look at now."""

    since: datetime
    until: datetime
    earned_usd: Credits
    cost_usd: Credits
    margin_usd: Credits
    unclear: int
    flagged: int
    services: list[ServiceFigures]
    purses: list[PurseFigures]
    days: list[PurseDay]
