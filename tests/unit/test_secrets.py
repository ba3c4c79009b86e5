"""The `.env` of a deployment: fresh, private, and never in place of another."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from app.cli import main
from app.config import Settings
from app.secrets import render

ROOT = Path(__file__).parents[2]


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    # Without site-packages: it must run before anything is installed.
    command = [sys.executable, "-S", "-m", "app.secrets"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=30
    )


def test_it_is_for_its_owners_eyes_alone(tmp_path: Path) -> None:
    done = make_env(tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_old_secrets_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=old\n")

    done = make_env(tmp_path)

    assert done.returncode == 1
    assert "may guard a database" in done.stderr
    assert (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=old\n"


def test_every_secret_is_another() -> None:
    values = [item for _ in range(2) for item in parse(render()).items()]
    secrets = [value for name, value in values if name.endswith(("_PASSWORD", "_TOKEN"))]

    assert len(secrets) == len(set(secrets)) == 8
    assert all(len(secret) == 64 for secret in secrets)


def test_a_broker_takes_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    values = parse(render())
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    database = f"postgresql+asyncpg://phaya:{values['DATABASE_PASSWORD']}@postgres:5432/phaya"

    settings = Settings.model_validate({"database_url": database})

    assert settings.kie_api_keys == ()


def test_the_command_does_the_same(tmp_path: Path) -> None:
    runner = CliRunner()
    file = str(tmp_path / ".env")

    first, second = (runner.invoke(main, ["secrets", file]) for _ in range(2))
    printed = runner.invoke(main, ["secrets", "-"])

    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "may guard a database" in second.output
    assert parse(printed.output).keys() == parse(Path(file).read_text()).keys()


def parse(text: str) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}
