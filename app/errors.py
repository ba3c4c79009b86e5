"""Every failure with a name.

    AppError                     code, status and a message that is safe to show
    ├── BadRequest           400
    ├── InvalidKey           401
    ├── InsufficientCredits  402
    ├── Forbidden            403
    ├── NotFound             404
    ├── Conflict             409
    ├── TooLarge             413
    ├── Invalid              422  (field errors in FastAPI's shape)
    ├── TooManyRequests      429
    ├── UpstreamFailed       502
    └── Unavailable          503
        ├── DatabaseAway         Postgres does not answer, restarts, or has no connection left for us
        └── StorageFailed        the file store does not answer or refuses us
            └── StorageFull      it has no room left
    ProviderError                raised by app.providers alone; app.services turns it into a job's outcome
    ├── Rejected                 the request's fault; final
    ├── Broken                   the provider's fault; final
    ├── Throttled                not taken; try again after `retry_after_s`
    └── Unclear                  we cannot know whether it was taken: never send again
    MediaError                   a file or an address that we will not use; the message is safe to show
    EmbeddedError                `phaya up` or a part of it cannot start; the message is for the person at the terminal
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, TypedDict


class FieldError(TypedDict):
    """One problem with one field, as FastAPI writes it."""

    loc: Sequence[str | int]
    msg: str
    type: str


class AppError(Exception):
    """A refusal that a client sees. `code` is API; `message` is one safe sentence."""

    status: ClassVar[int] = 500
    code: str = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class BadRequest(AppError):
    """The body is not what its content type says."""

    status = 400
    code = "bad_request"


class InvalidKey(AppError):
    """No credential, or one that we do not know (any more)."""

    status = 401
    code = "invalid_api_key"


class InsufficientCredits(AppError):
    """The account or the key's own cap cannot pay. Amounts in credits."""

    status = 402
    code = "insufficient_credits"

    def __init__(self, required: Decimal, available: Decimal, balance: Decimal) -> None:
        super().__init__(f"Insufficient credits: {required:.2f} required, {available:.2f} available")
        self.required = required
        self.available = available
        self.balance = balance


class Forbidden(AppError):
    """A known key that is not allowed to do this."""

    status = 403
    code = "forbidden"


class NotFound(AppError):
    """It does not exist, or it is someone else's: the two cannot be told apart."""

    status = 404
    code = "not_found"


class Conflict(AppError):
    """The same thing is being done right now."""

    status = 409
    code = "conflict"


class TooLarge(AppError):
    """A body, an upload or a fetched file over its limit."""

    status = 413
    code = "file_too_large"


class Invalid(AppError):
    """A field is missing, of the wrong type, out of range or not in the list."""

    status = 422
    code = "validation_error"

    def __init__(self, message: str, *, code: str | None = None, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message, code=code)
        self.fields = list(fields)

    @classmethod
    def at(cls, field: str, problem: str, *, type_: str = "value_error") -> "Invalid":
        """One problem with one field of the body; `type_` tells programs what kind it is."""
        return cls(f"{field}: {problem}", fields=[{"loc": ("body", field), "msg": problem, "type": type_}])


class TooManyRequests(AppError):
    """Over the key's rate; try again after `retry_after_s` seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UpstreamFailed(AppError):
    """The provider failed a synchronous call; no debit stays."""

    status = 502
    code = "upstream_error"


class Unavailable(AppError):
    """The service is switched off or has no provider."""

    status = 503
    code = "service_unavailable"


class DatabaseAway(Unavailable):
    """Postgres cannot be asked now. Whether what was under way was committed is unknown; the cause is chained."""


class StorageFailed(Unavailable):
    """The file store did not do what it was asked; the same may work later. The cause is chained, for the log."""


class StorageFull(StorageFailed):
    """The file store has no room left: nothing was kept, and an operator has to act."""


class ProviderError(Exception):
    """What a provider's answer means for the job. `detail` is for the operator, `message` for the client.

    Of a call that is billed although it failed, `cost` is what the provider takes, or `counted` what that depends on.
    """

    def __init__(
        self, message: str, *, detail: str = "", cost: Decimal | None = None, counted: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.cost = cost
        self.counted = counted


class Rejected(ProviderError):
    """The provider refuses this request for good: nothing was made."""


class Broken(ProviderError):
    """The provider says that it failed, for good: nothing usable was made."""


class Throttled(ProviderError):
    """The provider did not take the request and says so; it may be sent again later.

    `is_about_key`: it is the key that is refused, empty or over its cap, and should rest so long.
    """

    def __init__(
        self, message: str, *, retry_after_s: float = 10, detail: str = "", is_about_key: bool = False
    ) -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s
        self.is_about_key = is_about_key


class Unclear(ProviderError):
    """The request may or may not have been taken. It must never be sent again by itself."""


class MediaError(Exception):
    """A file or address that cannot be used. The message is one sentence that is safe to show to the client."""


class InputUnusable(MediaError):
    """The file behind a field of the request cannot be used; the cause says why."""

    def __init__(self, field: str, cause: MediaError) -> None:
        super().__init__(f"{field}: {cause}")
        self.field = field
        self.cause = cause


class FileTooLarge(MediaError):
    """Over the limit of its place."""


class FetchRefused(MediaError):
    """The address is not one that we fetch from (private, odd, wrong scheme)."""


class FetchFailed(MediaError):
    """The address did not give the file: status, time, connection."""


class FileGone(FetchFailed):
    """The address says that there is no such file."""


class UnsupportedMedia(MediaError):
    """The bytes are not of a type that this place accepts."""


class NotMade(MediaError):
    """The inputs can be read, but no file could be made from them here: the tool failed or took too much."""


class EmbeddedError(Exception):
    """The embedded stack cannot start. The message says why, and what to do, to the person at the terminal."""
