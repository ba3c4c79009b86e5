"""What the operator's routes ask for: who, which thing, which page, which body. In this order, and the body last."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, BeforeValidator

from app.api.deps import Admin, parse_as, read_body
from app.db.ids import new_id
from app.errors import NotFound

PAGE_MOST = 200

Model = TypeVar("Model", bound=BaseModel)
Row = TypeVar("Row")


def _id_of(what: str) -> BeforeValidator:
    """What is no id names no thing: NotFound, as for an id that nobody has."""

    def parse(text: str) -> UUID:
        try:
            return UUID(text)
        except ValueError:
            raise NotFound(f"No such {what}") from None

    return BeforeValidator(parse)


AccountId = Annotated[UUID, _id_of("account")]
KeyId = Annotated[UUID, _id_of("key")]
JobId = Annotated[UUID, _id_of("job")]

Limit = Annotated[int, Query(ge=1, le=PAGE_MOST, description="Rows of a page")]
After = Annotated[UUID | None, Query(description="`next` of the page before")]
AfterNumber = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before")]


def body_of(model: type[Model]) -> Callable[[Request, Admin], Awaitable[Model]]:
    """Reads the body only once the caller is known to be an admin: 401 and 403 come before 400 and 422."""

    async def read(request: Request, key: Admin) -> Model:
        return parse_as(model, await read_body(request))

    return read


def described(model: type[BaseModel]) -> dict[str, Any]:
    """The body's place in the OpenAPI description."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def entry_key(
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, description="The same key makes the same entry once")
    ] = None,
) -> str:
    """What makes a repeated entry the same one; without a key of the client's every request is new."""
    return idempotency_key or str(new_id())


EntryKey = Annotated[str, Depends(entry_key)]


def cut(rows: Sequence[Row], limit: int) -> tuple[list[Row], Row | None]:
    """A page of `limit` out of one row more, and its last row if there is a page after it."""
    page = list(rows[:limit])
    return page, page[-1] if len(rows) > limit else None
