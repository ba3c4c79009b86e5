"""The answer that carries one stored file: ranges, validators, and headers that keep a browser from running it.

HTTP semantics are RFC 9110 (13 conditions, 14 ranges) and RFC 6266 (Content-Disposition).
"""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC
from email.utils import format_datetime
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from app.errors import NotFound
from app.files.models import StoredFile
from app.storage import Storage

log = structlog.get_logger()

# Types that a browser only shows or plays. Anything else (SVG and HTML can carry scripts) is offered for saving.
INLINE_TYPES = frozenset({
    "image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp",
    "video/mp4", "video/mpeg", "video/ogg", "video/quicktime", "video/webm", "video/x-matroska", "video/x-msvideo",
    "audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/opus", "audio/wav", "audio/webm",
    "audio/x-m4a", "audio/x-wav",
})  # fmt: skip

SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Opened by its address, a video is put into a page that the browser makes, under this policy: without `media-src`
    # and `style-src` Chrome and Safari refuse to play it. `sandbox` alone already forbids scripts.
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
    ),
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
}

# 18 digits are more bytes than there are, and short enough for `int`.
BYTE_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


def file_response(request: Request, storage: Storage, file: StoredFile) -> Response:
    """The answer to a GET or HEAD of `file`: whole, one range, "not modified" or "no such range".

    The bytes come through us, never by a redirect. Sending it raises NotFound if the store has lost the file.
    """
    known = validators(file)
    if is_unchanged(request.headers, known):
        return Response(status_code=304, headers=SAFETY_HEADERS | known)
    whole = SAFETY_HEADERS | known | {
        "Accept-Ranges": "bytes",
        "Content-Type": file.content_type,
        "Content-Length": str(file.size),
        "Content-Disposition": disposition(file),
    }
    if request.method == "HEAD":
        return Response(headers=whole)
    span = wanted_range(request.headers, known, size=file.size)
    if span is None:
        return FileStream(storage.open(file.storage_key), headers=whole)
    if not span:
        return Response(status_code=416, headers=SAFETY_HEADERS | {"Content-Range": f"bytes */{file.size}"})
    part = whole | {
        "Content-Length": str(len(span)),
        "Content-Range": f"bytes {span.start}-{span.stop - 1}/{file.size}",
    }
    return FileStream(storage.open(file.storage_key, start=span.start, end=span.stop), status_code=206, headers=part)


class FileStream(StreamingResponse):
    """Opens the file before it sends the first header, so that a lost file is still an error with a status."""

    def __init__(
        self,
        opening: AbstractAsyncContextManager[AsyncIterator[bytes]],
        *,
        headers: dict[str, str],
        status_code: int = 200,
    ) -> None:
        super().__init__((), status_code=status_code, headers=headers)
        self._opening = opening

    async def stream_response(self, send: Send) -> None:
        """Send it all; the file is closed whatever happens, a client that goes away included."""
        try:
            async with self._opening as self.body_iterator:
                await super().stream_response(send)
        except FileNotFoundError as error:
            log.exception("file.vanished")
            raise NotFound("File not found") from error


def validators(file: StoredFile) -> dict[str, str]:
    """What a cache needs. A stored file never changes; its address is a secret, which a shared cache must not keep."""
    return {
        "ETag": f'"{file.sha256.hex()}"',
        "Last-Modified": format_datetime(file.created_at.astimezone(UTC), usegmt=True),
        "Cache-Control": "private, max-age=31536000, immutable",
    }


def is_unchanged(headers: Headers, known: dict[str, str]) -> bool:
    """Whether the client's copy is still good. If-None-Match beats If-Modified-Since (RFC 9110 13.2.2)."""
    tags = headers.get("If-None-Match")
    if tags is None:
        return headers.get("If-Modified-Since") == known["Last-Modified"]
    return not {"*", known["ETag"]}.isdisjoint(tag.strip().removeprefix("W/") for tag in tags.split(","))


def wanted_range(headers: Headers, known: dict[str, str], *, size: int) -> range | None:
    """The bytes asked for; empty if the file has none of them; None if the whole file is to be sent.

    A malformed range, another unit, several ranges or an If-Range that does not match mean the whole (RFC 9110 14.2).
    """
    asked = BYTE_RANGE.fullmatch(headers.get("Range", ""))
    if asked is None or headers.get("If-Range", known["ETag"]) not in (known["ETag"], known["Last-Modified"]):
        return None
    first, last = asked.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    start, stop = int(first), int(last or size) + 1
    return range(start, min(stop, size)) if start < stop or not last else None


def disposition(file: StoredFile) -> str:
    """Show or save, and under which name; names that are not plain ASCII are given twice (RFC 6266, appendix D)."""
    kind = "inline" if file.content_type in INLINE_TYPES else "attachment"
    plain = re.sub(r'[^ -~]|["\\%]', "_", file.filename)
    extended = "" if plain == file.filename else f"; filename*=UTF-8''{quote(file.filename, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'
