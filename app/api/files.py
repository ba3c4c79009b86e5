"""Stored files at unguessable addresses, for everyone who has the address (contract 1.9)."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.api.deps import BrokerDep
from app.api.file_response import file_response
from app.api.schemas import error_responses
from app.errors import NotFound
from app.files.register import find_by_token

router = APIRouter(tags=["Files"])


ANSWERS: dict[int | str, dict[str, Any]] = {
    206: {"description": "The bytes asked for"}, 304: {"description": "Not modified"},
    416: {"description": "No such bytes"}, **error_responses(404),
}


@router.head("/files/{token}/{filename}", summary="What a stored file is", operation_id="file-head", responses=ANSWERS)
@router.get("/files/{token}/{filename}", summary="A stored file; byte ranges work", operation_id="file",
            responses=ANSWERS)
async def get_file(request: Request, broker: BrokerDep, token: str, filename: str) -> Response:
    if "\0" in token:  # Which Postgres refuses to compare with.
        raise NotFound("No such file")
    async with broker.db.statement() as db:
        file = await find_by_token(db, token)
    if file is None or file.filename != filename:
        raise NotFound("No such file")
    return file_response(request, broker.storage, file)
