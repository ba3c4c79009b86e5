"""What routes ask for before they do anything: who is calling, and the body. In the contract's order: credential, rate
limit, validation, credits (1.11)."""

from typing import Annotated, Any, TypeVar, cast

import orjson
from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from app.accounts.keys import KeyRecord
from app.api.answers import invalid
from app.errors import BadRequest, Forbidden, Invalid, InvalidKey, TooLarge, TooManyRequests
from app.services.broker import Broker
from app.services.job_writer import Idempotency

KEY_LENGTH_MOST = 256

Model = TypeVar("Model", bound=BaseModel)


def broker_of(request: Request) -> Broker:
    """The process's parts."""
    return cast(Broker, request.app.state.broker)


def client_address(request: Request) -> str | None:
    """The peer's address. A proxy's header is believed only where uvicorn was told to trust that proxy."""
    return request.client.host if request.client is not None else None


async def authenticate(request: Request) -> KeyRecord:
    """The caller's key, counted against its rate. Raises InvalidKey, Forbidden (wrong address), TooManyRequests."""
    broker = broker_of(request)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret or len(secret) > KEY_LENGTH_MOST:
        raise InvalidKey("Missing or malformed API key")
    key = await broker.keys.find(secret)
    if key is None:
        await broker.guesses.hold(client_address(request))
        raise InvalidKey("Invalid API key")
    if not key.admits(client_address(request)):
        raise Forbidden("This key may not be used from this address")
    limit = key.rate_per_minute or broker.settings.rate_limit_per_minute
    verdict = await broker.limiter.check(key.id, limit)
    request.state.rate = verdict
    if not verdict.is_allowed:
        raise TooManyRequests(f"Rate limit of {limit} requests per minute exceeded", retry_after_s=verdict.reset_s)
    return key


def require_scope(key: KeyRecord, *scopes: str) -> None:
    """Raise Forbidden unless the key carries one of these scopes."""
    if key.scopes.isdisjoint(scopes):
        raise Forbidden(f"This key has no permission for {scopes[0]}")


async def authenticate_reader(request: Request) -> KeyRecord:
    """A caller who may read the account itself."""
    key = await authenticate(request)
    require_scope(key, "account:read")
    return key


async def authenticate_admin(request: Request) -> KeyRecord:
    """A caller who may administer."""
    key = await authenticate(request)
    require_scope(key, "admin")
    return key


BrokerDep = Annotated[Broker, Depends(broker_of)]
Caller = Annotated[KeyRecord, Depends(authenticate)]
Reader = Annotated[KeyRecord, Depends(authenticate_reader)]
Admin = Annotated[KeyRecord, Depends(authenticate_admin)]


async def read_body(request: Request) -> bytes:
    """The whole body. Raises TooLarge over the limit, while it is still arriving."""
    limit = broker_of(request).settings.body_limit_bytes
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes")
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """The body's JSON. Raises BadRequest, and Invalid for NUL characters, which no text of ours can hold."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from error
    if b"\\u0000" in body and _holds_nul(value):
        raise Invalid("The body holds a NUL character")
    return value


def _holds_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
        case list():
            return any(_holds_nul(item) for item in value)
    return False


def parse_as(model: type[Model], body: bytes) -> Model:
    """The body as a model. Raises BadRequest, Invalid."""
    try:
        return model.model_validate(parse_json(body))
    except ValidationError as error:
        raise invalid(error) from error


def parse_checked(model: type[Model], body: bytes) -> tuple[Model, dict[str, Any]]:
    """The body as a model, and as it came, for what is handed on as it is. Raises BadRequest, Invalid."""
    value = parse_json(body)
    try:
        return model.model_validate(value), value
    except ValidationError as error:
        raise invalid(error) from error


def idempotency_of(request: Request, body: bytes) -> Idempotency | None:
    """What the client's `Idempotency-Key` stands for, if it sent one."""
    key = request.headers.get("idempotency-key")
    return None if key is None else Idempotency.of(request.url.path, key, body)
