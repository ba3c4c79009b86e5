"""What the command line says before it does anything."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main


def phaya(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_tells_how_it_is_used(command: str) -> None:
    told = phaya(command, "--help")

    assert told.exit_code == 0
    assert told.output.startswith(f"Usage: main {command}")


def test_the_demo_says_that_nothing_runs(tmp_path: Path) -> None:
    told = phaya("demo", "--data", str(tmp_path))

    assert told.exit_code == 1
    assert f"Nothing runs on {tmp_path}" in told.output


def test_the_demo_says_that_nobody_answers() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        told = phaya("demo", "--api-url", url, "--key", "pk_x")

    assert told.exit_code == 1
    assert f"{url} does not answer" in told.output
    assert "Traceback" not in told.output
