"""Uploaded files: a folder, and their public addresses under `/files/uploads/`."""

import mimetypes
from pathlib import Path


class Store:
    """Files by path. A second upload under the same path replaces the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, path: str, content: bytes) -> None:
        """Keep the bytes. `path` has been cleaned by the caller."""
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def find(self, path: str) -> Path | None:
        """The file, if it is there."""
        file = (self._folder / path).resolve()
        return file if file.is_relative_to(self._folder.resolve()) and file.is_file() else None


def content_type(path: str) -> str:
    """The media type by the name's ending."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
