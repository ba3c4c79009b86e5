"""Every store of files keeps the promises of app.storage.port, in the same tests."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pytest
from obstore.store import S3Store
from pydantic import SecretStr

from app.config import Environment, Settings
from app.errors import StorageFailed
from app.storage import Storage, new_key, open_storage
from app.storage.s3 import PART_BYTES
from tests.fakes.s3 import BUCKET, running_s3

if TYPE_CHECKING:
    from obstore.store import S3Config


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


def local_settings(root: Path) -> Settings:
    return Settings(environment=Environment.EMBEDDED, storage="local", storage_dir=root)


def s3_settings(endpoint: str, *, bucket: str | None = BUCKET) -> Settings:
    return Settings(
        environment=Environment.EMBEDDED,
        storage="s3",
        s3_bucket=bucket,
        s3_endpoint=endpoint,
        s3_access_key=SecretStr("key"),
        s3_secret_key=SecretStr("secret"),
    )


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return open_storage(local_settings(tmp_path / "files"))
    return open_storage(s3_settings(request.getfixturevalue("s3_endpoint")))


async def stored(storage: Storage, tmp_path: Path, content: bytes, *, key: str | None = None) -> str:
    """The key of a file with this content."""
    key = key or new_key()
    source = tmp_path / "source"
    source.write_bytes(content)
    await storage.put(key, source, content_type="application/octet-stream")
    return key


async def read(storage: Storage, key: str, *, start: int = 0, end: int | None = None) -> bytes:
    async with storage.open(key, start=start, end=end) as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("size", [0, 1, 300_000, PART_BYTES, PART_BYTES * 2 + 5])
async def test_what_is_put_is_read_back(storage: Storage, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    key = await stored(storage, tmp_path, content)

    assert await read(storage, key) == content
    assert await storage.size(key) == size
    assert (tmp_path / "source").read_bytes() == content


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 3, b"012"), (3, 7, b"3456"), (7, None, b"789"), (0, None, b"0123456789"), (9, 10, b"9"), (8, 50, b"89")],
)
async def test_a_range_is_read(
    storage: Storage, tmp_path: Path, start: int, end: int | None, expected: bytes
) -> None:
    key = await stored(storage, tmp_path, b"0123456789")

    assert await read(storage, key, start=start, end=end) == expected


async def test_a_range_over_several_chunks_is_read(storage: Storage, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    key = await stored(storage, tmp_path, content)

    assert await read(storage, key, start=1_234, end=1_900_001) == content[1_234:1_900_001]


@pytest.mark.parametrize("start", [10, 11])
async def test_a_range_behind_the_end_fails_before_the_first_byte(
    storage: Storage, tmp_path: Path, start: int
) -> None:
    key = await stored(storage, tmp_path, b"0123456789")

    with pytest.raises(StorageFailed):
        async with storage.open(key, start=start, end=start + 1):
            pytest.fail("opened")


async def test_a_missing_file_is_named_before_the_first_byte(storage: Storage, tmp_path: Path) -> None:
    key = new_key()

    with pytest.raises(FileNotFoundError):
        async with storage.open(key):
            pytest.fail("opened")
    with pytest.raises(FileNotFoundError):
        await storage.size(key)
    with pytest.raises(FileNotFoundError):
        await storage.fetch_to(key, tmp_path / "target")
    assert not (tmp_path / "target").exists()


async def test_a_reader_may_stop_early(storage: Storage, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    key = await stored(storage, tmp_path, content)

    async with storage.open(key) as chunks:
        first = await anext(chunks)

    assert content.startswith(first)
    assert len(first) < len(content)


async def test_a_file_is_fetched_to_disk(storage: Storage, tmp_path: Path) -> None:
    content = os.urandom(700_000)
    key = await stored(storage, tmp_path, content)

    await storage.fetch_to(key, tmp_path / "target")

    assert (tmp_path / "target").read_bytes() == content


async def test_deleting_twice_is_no_error(storage: Storage, tmp_path: Path) -> None:
    key = await stored(storage, tmp_path, b"x")

    await storage.delete(key)
    await storage.delete(key)

    with pytest.raises(FileNotFoundError):
        await storage.size(key)


async def test_putting_without_a_source_stores_nothing(storage: Storage, tmp_path: Path) -> None:
    key = new_key()

    with pytest.raises(FileNotFoundError):
        await storage.put(key, tmp_path / "missing", content_type="image/png")
    with pytest.raises(FileNotFoundError):
        await storage.size(key)


async def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_mixture(
    storage: Storage, tmp_path: Path
) -> None:
    old, new = b"a" * 1_500_000, b"b" * 1_500_000
    key = await stored(storage, tmp_path, old)
    source = tmp_path / "new"
    source.write_bytes(new)

    async def replace() -> None:
        for _ in range(5):
            await storage.put(key, source, content_type="application/octet-stream")

    replacing = asyncio.create_task(replace())
    seen = {await read(storage, key)}
    while not replacing.done():
        seen.add(await read(storage, key))
    await replacing

    assert seen <= {old, new}
    assert await read(storage, key) == new


@pytest.mark.parametrize(
    "key", ["", "../secret", "ab/../../etc/passwd", "/etc/passwd", f"ab/cd{'0' * 38}", f"ab/ab{'0' * 38}.MP4",
            f"ab/ab{'0' * 38}\n", f"ab/ab{'0' * 38}/x", f"ab/ab{'0' * 37}"],
)  # fmt: skip
async def test_a_key_that_is_not_ours_is_refused(storage: Storage, tmp_path: Path, key: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")

    with pytest.raises(ValueError, match="storage key"):
        await storage.put(key, source, content_type="image/png")
    with pytest.raises(ValueError, match="storage key"):
        await read(storage, key)
    with pytest.raises(ValueError, match="storage key"):
        await storage.size(key)
    with pytest.raises(ValueError, match="storage key"):
        await storage.fetch_to(key, tmp_path / "target")
    with pytest.raises(ValueError, match="storage key"):
        await storage.delete(key)


async def test_a_usable_store_passes_its_check(storage: Storage) -> None:
    await storage.check()


def test_new_keys_differ_and_carry_only_a_plain_suffix() -> None:
    assert len({new_key() for _ in range(1_000)}) == 1_000
    assert new_key(".mp4").endswith(".mp4")
    with pytest.raises(ValueError, match="storage key"):
        new_key("/../x")


async def test_the_bucket_knows_the_content_type(s3_endpoint: str, tmp_path: Path) -> None:
    storage = open_storage(s3_settings(s3_endpoint))
    small, large = new_key(), new_key()
    source = tmp_path / "source"
    source.write_bytes(b"x")
    await storage.put(small, source, content_type="image/png")
    source.write_bytes(os.urandom(PART_BYTES + 1))
    await storage.put(large, source, content_type="video/mp4")

    config: S3Config = {"endpoint": s3_endpoint, "access_key_id": "key", "secret_access_key": "secret"}
    bucket = S3Store(BUCKET, config=config, client_options={"allow_http": True})
    assert (await obstore.get_async(bucket, small)).attributes["Content-Type"] == "image/png"
    assert (await obstore.get_async(bucket, large)).attributes["Content-Type"] == "video/mp4"


async def test_a_missing_bucket_is_a_failure_and_not_a_missing_file(s3_endpoint: str, tmp_path: Path) -> None:
    storage = open_storage(s3_settings(s3_endpoint, bucket="nowhere"))

    with pytest.raises(StorageFailed):
        await storage.check()
    with pytest.raises(StorageFailed):
        await stored(storage, tmp_path, b"x")


async def test_a_bucket_that_does_not_answer_is_a_failure() -> None:
    storage = open_storage(s3_settings("http://127.0.0.1:9"))

    with pytest.raises(StorageFailed):
        await storage.check()
    with pytest.raises(StorageFailed):
        await read(storage, new_key())


def test_a_bucket_without_a_name_stops_the_start() -> None:
    with pytest.raises(ValueError, match="PHAYA_S3_BUCKET"):
        open_storage(s3_settings("http://127.0.0.1:9", bucket=None))


def test_half_a_pair_of_keys_stops_the_start() -> None:
    settings = s3_settings("http://127.0.0.1:9").model_copy(update={"s3_secret_key": None})

    with pytest.raises(ValueError, match="PHAYA_S3_SECRET_KEY"):
        open_storage(settings)


async def test_a_folder_that_is_gone_is_a_failure_and_not_a_missing_source(tmp_path: Path) -> None:
    root = tmp_path / "files"
    storage = open_storage(local_settings(root))
    (root / ".drafts").rmdir()
    root.rmdir()

    with pytest.raises(StorageFailed):
        await storage.check()
    with pytest.raises(StorageFailed):
        await stored(storage, tmp_path, b"x")


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"a file is in the way")

    with pytest.raises(StorageFailed):
        open_storage(local_settings(tmp_path / "files"))


async def test_a_failed_put_leaves_nothing_behind(tmp_path: Path) -> None:
    root = tmp_path / "files"
    storage = open_storage(local_settings(root))
    key = new_key()
    (root / key[:2]).write_bytes(b"a file is in the way")

    with pytest.raises(StorageFailed):
        await stored(storage, tmp_path, b"x", key=key)
    assert list((root / ".drafts").iterdir()) == []


def test_drafts_of_killed_processes_are_cleared_at_the_next_start_and_fresh_ones_are_not(tmp_path: Path) -> None:
    drafts = tmp_path / "files" / ".drafts"
    open_storage(local_settings(tmp_path / "files"))
    (drafts / "stale").write_bytes(b"x")
    os.utime(drafts / "stale", (0, 0))
    (drafts / "fresh").write_bytes(b"x")

    open_storage(local_settings(tmp_path / "files"))

    assert [draft.name for draft in drafts.iterdir()] == ["fresh"]


FILL_A_DISK = """
import asyncio, pathlib, sys
from app.errors import StorageFull
from app.storage.local import LocalStorage
from app.storage.port import new_key

async def fill(root, source):
    storage = LocalStorage(root)
    try:
        await storage.put(new_key(), source, content_type="video/mp4")
    except StorageFull:
        print(len(list((root / ".drafts").iterdir())), "drafts left")

root = pathlib.Path(sys.argv[1])
asyncio.run(fill(root, pathlib.Path(sys.argv[2])))
"""


def has_user_namespaces() -> bool:
    """Whether this machine lets a process mount a small disk of its own."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "-Urm", "true"], check=False).returncode == 0


@pytest.mark.skipif(not has_user_namespaces(), reason="needs a small disk, and this machine does not let us mount one")
def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    disk, source = tmp_path / "disk", tmp_path / "source"
    disk.mkdir()
    source.write_bytes(bytes(2_000_000))
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    arguments = ["unshare", "-Urm", "sh", "-c", mount, "sh", str(disk), sys.executable, FILL_A_DISK, str(source)]
    environment = os.environ | {"PYTHONPATH": "."}

    filled = subprocess.run(arguments, check=False, capture_output=True, text=True, env=environment)

    assert filled.stdout == "0 drafts left\n", filled.stderr
