"""Taking in one uploaded file: straight to disk, in constant memory, with every part of the body bounded."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request

from app.errors import AppError, BadRequest, FieldError, Invalid, TooLarge
from app.storage.disk import removed_unless_whole, store_errors

FIELD = b"file"
# What is sent beside the file (other fields, headers, boundaries) is thrown away, and this is where patience ends.
REST_LIMIT_BYTES = 1024 * 1024
PARTS_LIMIT = 100
WRITE_BYTES = 1024 * 1024
NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Received:
    """A file on disk, and what its sender calls it. `sha256` is in hex; `claimed_type` is a claim, the bytes decide."""

    path: Path
    size: int
    sha256: str
    filename: str
    claimed_type: str


async def receive_upload(request: Request, target_dir: Path, *, limit_bytes: int) -> Received:
    """Read the form's one part `file` into a new file in `target_dir`, which is then the caller's.

    Raises Invalid without a file part or with two, TooLarge over `limit_bytes` (before reading, where the client says
    how much it will send), BadRequest for a broken body, StorageFull, and ClientDisconnect. No file is left then.
    """
    if int(request.headers.get("Content-Length", 0)) > limit_bytes + REST_LIMIT_BYTES:
        raise too_large(limit_bytes)
    form = UploadForm(boundary_of(request.headers), limit_bytes)
    path = target_dir / secrets.token_hex(16)
    with store_errors(), removed_unless_whole(path), await asyncio.to_thread(path.open, "xb") as sink:
        async for chunk in request.stream():
            form.feed(chunk)
            if len(form.pending) >= WRITE_BYTES:
                await asyncio.to_thread(form.drain, sink)
        form.finish()
        await asyncio.to_thread(form.drain, sink)
    return Received(path, form.size, form.digest.hexdigest(), form.filename, form.claimed_type)


class UploadForm:
    """The state of reading one form. `pending` holds bytes of the file that are not yet written."""

    def __init__(self, boundary: bytes, limit_bytes: int) -> None:
        self.pending = bytearray()
        self.size = 0
        self.digest = hashlib.sha256()
        self.filename = ""
        self.claimed_type = ""
        self._limit_bytes = limit_bytes
        self._body_bytes = 0
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self._is_in_file = False
        self._is_complete = False
        self._parser = MultipartParser(boundary, {
            "on_part_begin": self._begin_part,
            "on_header_field": self._read_header_name,
            "on_header_value": self._read_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._read_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        })  # fmt: skip

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes of the body."""
        self._body_bytes += len(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadRequest("The multipart body is malformed") from error
        if self._body_bytes - self.size > REST_LIMIT_BYTES:
            raise TooLarge("The form holds too much beside the file")

    def drain(self, sink: BinaryIO) -> None:
        """Write what is pending."""
        sink.write(self.pending)
        self.digest.update(self.pending)
        self.pending.clear()

    def finish(self) -> None:
        """Raise unless the body was whole and had the file."""
        if not self._is_complete:
            raise BadRequest("The multipart body is cut off")
        if not self.filename:
            raise missing_file()

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > PARTS_LIMIT:
            raise BadRequest(f"The form has more than {PARTS_LIMIT} parts")
        self._headers = {}

    def _read_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _read_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        # A field without a file name is text, and browsers send an empty name when nothing was chosen.
        self._is_in_file = options.get(b"name") == FIELD and bool(options.get(b"filename"))
        if not self._is_in_file:
            return
        if self.filename:
            raise Invalid("Only one file can be uploaded at a time", fields=[file_error("Expected one file")])
        self.filename = clean_filename(options[b"filename"])
        self.claimed_type = self._headers.get(b"content-type", b"").decode("latin-1")

    def _read_data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_in_file:
            return
        self.size += end - start
        if self.size > self._limit_bytes:
            raise too_large(self._limit_bytes)
        self.pending += data[start:end]

    def _end_part(self) -> None:
        self._is_in_file = False

    def _end(self) -> None:
        self._is_complete = True


def boundary_of(headers: Headers) -> bytes:
    """The boundary of a multipart form. Raises Invalid if the body is no such form, BadRequest without boundary."""
    content_type, options = parse_options_header(headers.get("Content-Type"))
    if content_type != b"multipart/form-data":
        raise missing_file()
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > 70:
        raise BadRequest("The multipart body has no valid boundary")
    return boundary


def clean_filename(raw: bytes) -> str:
    """The last part of a path, without what could steer a terminal, a header or a database; never empty."""
    name = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in name if char.isprintable()).strip(" .")[-NAME_LENGTH:] or "file"


def file_error(message: str, kind: str = "value_error") -> FieldError:
    """A field error of the part `file`, in FastAPI's words."""
    return {"loc": ["body", "file"], "msg": message, "type": kind}


def missing_file() -> AppError:
    return Invalid("The form has no file part named file", fields=[file_error("Field required", "missing")])


def too_large(limit_bytes: int) -> AppError:
    return TooLarge(f"The file is larger than {limit_bytes:,} bytes")
