"""From what was made to a succeeded job: fetch, probe, hash, store, and only then capture (design 3.7)."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import structlog

from app.catalog.model import Made, Service
from app.errors import UnsupportedMedia
from app.files.models import FileRole, StoredFile
from app.jobs.models import Job
from app.media.probe import MediaInfo, probe
from app.media.process import work_folder
from app.media.refit import refit
from app.providers.port import Outputs
from app.services.broker import Broker
from app.services.end_job import ZERO, succeed
from app.services.keep_files import keep_file, result_of

log = structlog.get_logger()


async def store_outputs(broker: Broker, job: Job, outputs: Outputs) -> None:
    """Keep what a provider made and end the job well.

    Raises FetchFailed, after which it may be tried again, and other MediaError for what is no use.
    """
    service = broker.service(job.service)
    values = service.read_outputs(outputs)
    if (service.result_kinds and not outputs.urls) or not (outputs.urls or values):
        raise UnsupportedMedia("a success without a file")
    with work_folder(broker.settings.work_dir) as folder:
        paths = []
        for number, url in enumerate(outputs.urls):
            paths.append(folder / f"result-{number}")
            await broker.fetcher.fetch(url, paths[-1], limit_bytes=service.result_limit_bytes)
        if service.finish is not None and paths:
            async with broker.places.remaking:
                paths = list(await service.finish(service.request.model_validate(job.request), paths, folder))
        files = [await _keep_playable(broker, job, service, path) for path in paths]
    await _succeed(broker, job, files, values)


async def _keep_playable(broker: Broker, job: Job, service: Service, path: Path) -> StoredFile:
    """Keep the file, or of a film that not every player takes the same as MP4 with H.264 and AAC (contract 1.9)."""
    media = await probe(path, kinds=service.result_kinds)
    if not media.has_video or media.plays_everywhere:
        return await _keep(broker, job, service, path, media)
    async with broker.places.remaking:
        made = await refit(path, media, limit_bytes=service.result_limit_bytes)
    return await _keep(broker, job, service, made.path)


async def store_made(broker: Broker, job: Job, made: Made) -> None:
    """Keep what local work made and end the job well.

    Raises MediaError for a file that is no use, and InsufficientCredits for one that cannot be paid (any more).
    """
    service = broker.service(job.service)
    files = [await _keep(broker, job, service, path) for path in made.files]
    await _succeed(broker, job, files, made.values, credits=made.credits, further_credits=made.further_credits)


async def _keep(
    broker: Broker, job: Job, service: Service, path: Path, media: MediaInfo | None = None
) -> StoredFile:
    size, sha256 = await asyncio.to_thread(_measure, path)
    return await keep_file(
        broker, path, account_id=job.account_id, job_id=job.id, role=FileRole.RESULT, kinds=service.result_kinds,
        name=service.id, size=size, sha256=sha256, media=media,
    )


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


async def _succeed(
    broker: Broker, job: Job, files: Sequence[StoredFile], values: Mapping[str, object], *,
    credits: Decimal | None = None, further_credits: Decimal = ZERO,
) -> None:
    async with broker.db.transaction() as db:
        await succeed(db, job, result=result_of(list(files), values), credits=credits,
                      further_credits=further_credits)
    log.info("job.succeeded", job_id=str(job.id), service=job.service)
