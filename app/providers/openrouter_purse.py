"""What OpenRouter says that a key, and the account, have left (openrouter.md 10). Everything is in US dollars."""

from decimal import Decimal
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import Throttled
from app.providers.port import Purse

Body = TypeVar("Body", bound=BaseModel)


class _Key(BaseModel):
    """Of `GET /key`; without a cap of its own a key does not know what is left."""

    model_config = ConfigDict(extra="ignore")

    limit_remaining: Decimal | None = None
    usage: Decimal | None = None


class _KeyAnswer(BaseModel):
    data: _Key


class _Credits(BaseModel):
    """Of `GET /credits`."""

    model_config = ConfigDict(extra="ignore")

    total_credits: Decimal
    total_usage: Decimal


class _CreditsAnswer(BaseModel):
    data: _Credits


def read_key(content: bytes | None) -> Purse:
    """A key's purse. Raises Throttled for what is no answer."""
    key = _parse(_KeyAnswer, content).data
    return Purse(key.limit_remaining, key.usage)


def read_credits(content: bytes | None) -> Decimal:
    """What the account has left. Raises Throttled for what is no answer."""
    credits = _parse(_CreditsAnswer, content).data
    return credits.total_credits - credits.total_usage


def _parse(model: type[Body], content: bytes | None) -> Body:
    try:
        return model.model_validate_json(content or b"")
    except ValidationError as error:
        detail = (content or b"")[:500].decode(errors="replace")
        raise Throttled("The provider does not tell its balance", detail=detail) from error
