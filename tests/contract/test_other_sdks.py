"""OpenAI's SDKs that are not ours to import: the first generation for Python, and that for Node (contract 3.4).

`deploy/run.py test` installs them beside the environment; a run without it, or without Node, skips what is not there.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack

SCRIPTS = Path(__file__).parents[1] / "sdks"
INSTALLED = Path(sys.prefix) / "sdks"
SAW = {
    "chat": ["The sandbox read your message: Hello", "stop", True],
    "stream": ["แซนด์บ็อกซ์ได้รับข้อความของคุณ: สวัสดี", True, True],
    "tools": ["tool_calls", "find_weather", "The tool answered: Sunny"],
    "vision": "The sandbox read your message and saw 1 picture: What is this?",
    "embeddings": [[0, 1536, True], [1, 1536, True]],
    "responses": ["The sandbox read your message: Hello", True, "response.created", "response.completed"],
    "models": [True, "google"],
    "refusal": [404, "model_not_found"],
}


@pytest.fixture(params=["", "/v1", "/api/v1"])
def base(stack: Stack, request: pytest.FixtureRequest) -> str:
    return f"{stack.api_url}{request.param}"


def run(command: list[str], *, folder: Path, script: Path | None = None, **environment: str) -> Any:
    """What a program of the SDK printed."""
    done = subprocess.run(
        command, cwd=folder, env=environment, input=script.read_text() if script else "", capture_output=True,
        text=True, check=False, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_first_generation_for_python(stack: Stack, base: str) -> None:
    folder = INSTALLED / "python"
    if not folder.exists():
        pytest.skip("openai 1.x is not installed: `python3 deploy/run.py test` does it")
    command = [sys.executable, "-P", str(SCRIPTS / "drive_openai.py"), base, stack.client("10").secret]
    told = run(command, folder=folder, PYTHONPATH=str(folder), PYTHONIOENCODING="utf-8")

    assert told["version"].startswith("1.")
    assert told["saw"] == SAW


def test_node(stack: Stack, base: str) -> None:
    node, folder = shutil.which("node"), INSTALLED / "node"
    if not node:
        pytest.skip("there is no Node on this machine")
    if not (folder / "node_modules/openai").exists():
        pytest.skip("OpenAI's SDK for Node is not installed: `python3 deploy/run.py test` does it where npm is")
    # From standard input, so that the imports are looked up in the folder of the installation.
    command = [node, "--input-type=module", "-", base, stack.client("10").secret]
    told = run(command, folder=folder, script=SCRIPTS / "drive_openai.mjs")

    assert told["version"] == json.loads((SCRIPTS / "package.json").read_text())["dependencies"]["openai"]
    assert told["saw"] == SAW
