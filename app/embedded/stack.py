"""The processes of phaya itself, as parts of a stack, and the environment that ties them together."""

import http.client
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.config import Environment, Settings
from app.embedded.ports import LOOPBACK
from app.embedded.process import Part

PROBE_TIMEOUT_S = 1
# A worker waits for the answer to a paid request, rather than leave it unknown.
WORKER_DRAIN_S = 80
API_DRAIN_S = 15
STAND_IN_KEY = "sandbox"
# Under which path of the sandbox each provider is found, by the setting that holds its address.
STAND_INS = {
    "kie": {"kie_base_url": "/kie", "kie_upload_url": "/kie"},
    "openrouter": {"openrouter_base_url": "/openrouter/api/v1"},
    "gemini": {"gemini_base_url": "/gemini"},
    "whisper": {"whisper_base_url": "/whisper/v1"},
}


def providers_without_key(settings: Settings) -> list[str]:
    """Whom the sandbox stands in for."""
    return [provider for provider in STAND_INS if not getattr(settings, f"{provider}_api_keys")]


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the parts of one run are. Without a sandbox `sandbox_url` is None."""

    api_url: str
    database_url: str
    database_owner_url: str
    redis_url: str
    sandbox_url: str | None


def environment(settings: Settings, addresses: Addresses, data: Path) -> dict[str, str]:
    """The variables with which a `phaya` process finds this stack. What a person set goes on beside them."""
    variables = {
        "environment": Environment.EMBEDDED.value,
        "database_url": addresses.database_url,
        "database_owner_url": addresses.database_owner_url,
        "redis_url": addresses.redis_url,
        "public_url": settings.public_url or addresses.api_url,
    }
    for setting, folder in (("storage_dir", "files"), ("work_dir", "work")):
        if setting not in settings.model_fields_set:
            variables[setting] = str(data / folder)
    if addresses.sandbox_url:
        host = addresses.sandbox_url.removeprefix("http://")
        variables["fetch_allow"] = ",".join([*settings.fetch_allow, host])
        for provider in providers_without_key(settings):
            variables[f"{provider}_api_keys"] = STAND_IN_KEY
            variables |= {name: addresses.sandbox_url + path for name, path in STAND_INS[provider].items()}
    return {f"PHAYA_{name.upper()}": value for name, value in variables.items()}


def phaya_parts(settings: Settings, addresses: Addresses, env: Mapping[str, str], data: Path, fd: int) -> list[Part]:
    """API and workers. The API's processes share the open socket `fd`, so that clients wait while one is replaced."""
    api = Part(
        name="api",
        command=_phaya("api", "--fd", str(fd)),
        env=_inherited({**env, **_shared_metrics(settings, data)}),
        is_ready=lambda _: answers(f"{addresses.api_url}/ready"),
        pass_fds=(fd,),
        stop_timeout_s=API_DRAIN_S,
    )
    return [api] * settings.api_processes + [
        _worker("worker", "upstream", env, data),
        _worker("media-worker", "media", env, data),
    ]


def _shared_metrics(settings: Settings, data: Path) -> dict[str, str]:
    """Where several API processes add up what they count, from nothing at every start."""
    if settings.api_processes == 1:
        return {}
    folder = data / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def sandbox_part(url: str, data: Path) -> Part:
    """The stand-ins. They need no setting of ours, and shall not see a key of anybody's."""
    return Part(
        name="sandbox",
        command=_phaya("sandbox", "--port", url.rpartition(":")[2], "--data", str(data / "sandbox")),
        env={name: value for name, value in _inherited({}).items() if not name.startswith("PHAYA_")},
        is_ready=lambda _: answers(f"{url}/control/books"),
    )


def seed_part(env: Mapping[str, str], data: Path) -> Part:
    """The step that migrates and makes the keys, and ends."""
    command = (sys.executable, "-P", "-m", "app.embedded.seed", str(data))
    return Part(name="migrate", command=command, env=_inherited(env), is_ready=lambda _: True)


def answers(url: str) -> bool:
    """Whether a GET is answered 200 within a second."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _worker(name: str, queue: str, env: Mapping[str, str], data: Path) -> Part:
    mark = data / f"{name}.ready"

    def is_ready(pid: int) -> bool:
        return mark.exists() and mark.read_text() == str(pid)

    command = _phaya("worker", "--queue", queue, "--ready-file", str(mark))
    return Part(name=name, command=command, env=_inherited(env), is_ready=is_ready, stop_timeout_s=WORKER_DRAIN_S)


def _phaya(*words: str) -> tuple[str, ...]:
    """The command line in the Python that runs us; a folder `app` where the person is must not be taken for ours."""
    return (sys.executable, "-P", "-m", "app.cli", *words)


def _inherited(env: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **env, "PYTHONUNBUFFERED": "1"}
