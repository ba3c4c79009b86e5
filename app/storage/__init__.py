"""The bytes of uploads and results, in a local folder or an S3-compatible bucket behind one port (port.py).

It knows keys and bytes; whose they are, what they are and how long they stay is app.files.
"""

from app.config import Settings
from app.storage.local import LocalStorage
from app.storage.port import Storage, new_key
from app.storage.s3 import S3Storage

__all__ = ["Storage", "new_key", "open_storage"]


def open_storage(settings: Settings) -> Storage:
    """The store that the settings name. Raises StorageFailed or ValueError if it cannot be opened as they say."""
    if settings.storage == "local":
        return LocalStorage(settings.storage_dir)
    if not settings.s3_bucket:
        raise ValueError("PHAYA_STORAGE is s3, but PHAYA_S3_BUCKET names no bucket")
    return S3Storage(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
    )
