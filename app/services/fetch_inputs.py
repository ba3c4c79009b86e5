"""A client's inputs: each URL is fetched once, probed and stored; what is worked on later are those very bytes."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from app.catalog.model import Input, InputFile, Inputs, Service
from app.errors import FetchRefused, FileTooLarge, InputUnusable, Invalid, MediaError, UnsupportedMedia
from app.files import register
from app.files.models import FileRole, StoredFile
from app.jobs.models import Job
from app.media.process import MIB, work_folder
from app.media.refit import Refitted, fits, refit
from app.providers.port import TaskProvider
from app.services.broker import Broker
from app.services.forms import settle_request
from app.services.keep_files import keep_file, media_of

# By field of the request: the ids of the files behind its URLs and, once handed up, their addresses upstream.
Kept = dict[str, list[dict[str, Any]]]


def urls_of(request: Mapping[str, object], field: str) -> list[str]:
    """The URLs in a field that holds one, a list of them, or nothing."""
    held = request.get(field)
    if isinstance(held, str):
        return [held]
    return [url for url in held if isinstance(url, str)] if isinstance(held, Sequence) else []


def refuse_private_urls(broker: Broker, service: Service, request: Mapping[str, object]) -> None:
    """Raise Invalid, before anything is held, for a URL that would never be fetched. Sends no packet."""
    for entry in service.inputs:
        for url in urls_of(request, entry.field):
            if register.token_in(url) is not None:
                continue
            try:
                broker.fetcher.check_url(url)
            except FetchRefused as refusal:
                raise Invalid.at(entry.field, str(refusal), type_="url_refused") from refusal


@dataclass(frozen=True)
class Owner:
    """Whose inputs they are; those that are measured before there is a job have no job."""

    account_id: UUID
    job_id: UUID | None = None


async def fetch_inputs(
    broker: Broker, service: Service, request: Mapping[str, object], *, owner: Owner, kept: Mapping[str, Any]
) -> Kept:
    """Fetch, probe and store every input that is not kept yet. Raises InputUnusable, with words for the client."""
    found: Kept = {field: list(files) for field, files in kept.items()}
    for entry in service.inputs:
        files = found.setdefault(entry.field, [])
        for url in urls_of(request, entry.field)[len(files) :]:
            try:
                file = await _fetch(broker, owner, entry, url)
            except MediaError as refusal:
                raise InputUnusable(entry.field, refusal) from refusal
            files.append({"file_id": str(file.id)})
    return found


async def fetch_job_inputs(broker: Broker, service: Service, job: Job) -> Kept:
    """The same for a job that exists: the inputs that it will be served with. Raises Invalid, too."""
    request, _ = settle_request(broker.settings, service, service.request.model_validate(job.request))
    owner = Owner(job.account_id, job.id)
    return await fetch_inputs(broker, service, request.model_dump(mode="json"), owner=owner, kept=job.inputs)


async def _fetch(broker: Broker, owner: Owner, entry: Input, url: str) -> StoredFile:
    file = await _own_file(broker, url)
    if file is None:
        file = await _fetch_outside(broker, owner, entry, url)
    media = media_of(file)
    if not media.kind & entry.kinds or (entry.types is not None and media.content_type not in entry.types):
        raise UnsupportedMedia(f"{media.content_type} is not accepted here.")
    if file.size > entry.limit_bytes:
        raise FileTooLarge(f"The file is larger than {entry.limit_bytes // MIB} MB.")
    if entry.check is not None:
        entry.check(media)
    return file


async def _own_file(broker: Broker, url: str) -> StoredFile | None:
    token = register.token_in(url)
    if token is None:
        return None
    async with broker.db.statement() as db:
        return await register.find_by_token(db, token)


async def _fetch_outside(broker: Broker, owner: Owner, entry: Input, url: str) -> StoredFile:
    with work_folder(broker.settings.work_dir) as folder:
        fetched = await broker.fetcher.fetch(url, folder / "input", limit_bytes=entry.limit_bytes)
        return await keep_file(
            broker, fetched.path, account_id=owner.account_id, job_id=owner.job_id, role=FileRole.INPUT,
            kinds=entry.kinds, name=PurePosixPath(urlsplit(url).path).name, size=fetched.size, sha256=fetched.sha256,
        )


async def hand_up(broker: Broker, provider: TaskProvider, service: Service, kept: Kept) -> list[str]:
    """Give the provider every kept input that it does not have, and note its address.

    A file beyond what the provider takes is made anew; answers a sentence for each. Raises InputUnusable, Rejected,
    Throttled.
    """
    changes = []
    for entry in service.inputs:
        for file in kept.get(entry.field, ()):
            if "upstream_url" not in file:
                try:
                    file["upstream_url"], is_new = await _hand_up(broker, provider, entry, UUID(file["file_id"]))
                except MediaError as refusal:
                    raise InputUnusable(entry.field, refusal) from refusal
                if is_new:
                    changes.append(f"{entry.field}: the file was made anew, within what the model takes.")
    return changes


async def _hand_up(broker: Broker, provider: TaskProvider, entry: Input, file_id: UUID) -> tuple[str, bool]:
    key = random.choice(provider.keys)  # noqa: S311 - any key will do
    async with broker.db.statement() as db:
        (file,) = await register.load_files(db, [file_id])
    with work_folder(broker.settings.work_dir) as folder:
        sent = Refitted(folder / "input", file.content_type)
        await broker.storage.fetch_to(file.storage_key, sent.path)
        takes, media = entry.upstream, media_of(file)
        is_new = takes is not None and not fits(media, file.size, types=takes.types, limit_bytes=takes.limit_bytes)
        if takes is not None and is_new:
            async with broker.places.remaking:
                sent = await refit(sent.path, media, limit_bytes=takes.limit_bytes)
        name = file.token + register.SUFFIXES.get(sent.content_type, "")
        address = await provider.upload(key, sent.path, filename=name, content_type=sent.content_type)
    return address, is_new


async def open_inputs(broker: Broker, kept: Kept, folder: Path | None = None) -> Inputs:
    """The kept inputs as a service sees them; with a folder, their bytes are laid there too."""
    inputs: dict[str, list[InputFile]] = {}
    for field, files in kept.items():
        async with broker.db.statement() as db:
            stored = await register.load_files(db, [UUID(entry["file_id"]) for entry in files])
        inputs[field] = []
        for number, (file, entry) in enumerate(zip(stored, files, strict=True)):
            path = None
            if folder is not None:
                path = folder / f"{field}-{number}"
                await broker.storage.fetch_to(file.storage_key, path)
            inputs[field].append(InputFile(file.id, media_of(file), entry.get("upstream_url"), path))
    return inputs
