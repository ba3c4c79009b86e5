"""Whatever film a provider makes, the client gets MP4 with H.264 and AAC (contract 1.9)."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.config import Settings
from app.jobs.states import JobState
from app.media.formats import Kinds
from tests.factories import make_tenant
from tests.fakes.web import serving
from tests.mediafiles import film
from tests.second_decoder import look_at
from tests.workbench import SERVICE, Workbench, workbench

FILM = replace(SERVICE, result_kinds=Kinds.VIDEO)
FILMS = {
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"),
    "hevc.mp4": ("-c:v", "libx265", "-x265-params", "log-level=error", "-c:a", "aac"),
    "h264.mkv": ("-c:v", "libx264", "-c:a", "libmp3lame"),
    "good.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("films")
    for name, options in FILMS.items():
        film(made / name, *options)
    return made


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[str]:
    with serving(Starlette(routes=[Mount("/", StaticFiles(directory=folder))])) as url:
        yield url


@pytest.fixture
async def bench(settings: Settings, host: str, tmp_path: Path) -> AsyncIterator[Workbench]:
    changes = {"fetch_allow": (host.split("/")[2],), "storage_dir": tmp_path / "files"}
    async with workbench(settings.model_copy(update=changes), service=FILM) as bench:
        yield bench


@pytest.mark.parametrize("name", FILMS)
async def test_a_film_is_one_that_every_player_takes(
    bench: Workbench, host: str, folder: Path, tmp_path: Path, name: str
) -> None:
    tenant = await make_tenant(bench.broker.db, "10")
    job_id = (await bench.ask(tenant, prompt := str(tenant.key_id))).job_id
    await bench.work()
    [task_id] = bench.upstream.of(prompt)
    bench.upstream.finish(task_id, f"{host}/{name}")
    await bench.wait(60)
    await bench.work()

    assert (await bench.job(job_id)).state is JobState.SUCCEEDED
    [stored] = (path for path in (tmp_path / "files").rglob("*.mp4") if path.is_file())
    content = stored.read_bytes()
    look = look_at("video/mp4", content)
    assert (look.video_codec, look.audio_codec, look.width, look.height) == ("h264", "aac", 160, 120)
    assert look.seconds == pytest.approx(2, abs=0.15)
    assert (content == (folder / name).read_bytes()) == (name == "good.mp4")
