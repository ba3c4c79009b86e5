"""Stored files at unguessable addresses, for everyone who has the address (contract 1.9)."""

from fastapi import APIRouter, Request, Response

from app.api.deps import BrokerDep
from app.api.file_response import file_response
from app.api.schemas import error_responses
from app.errors import NotFound
from app.files.register import find_by_token

router = APIRouter(tags=["Files"])


@router.api_route(
    "/files/{token}/{filename}", methods=["GET", "HEAD"], summary="A stored file; byte ranges work",
    responses={206: {"description": "The bytes asked for"}, 304: {"description": "Not modified"},
               416: {"description": "No such bytes"}, **error_responses(404)},
)
async def get_file(request: Request, broker: BrokerDep, token: str, filename: str) -> Response:
    async with broker.db.statement() as db:
        file = await find_by_token(db, token)
    if file is None or file.filename != filename:
        raise NotFound("No such file")
    return file_response(request, broker.storage, file)
