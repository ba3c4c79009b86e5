"""deploy/run.py in a checkout of its own: installs by hash, once, and becomes the program."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "deploy/run.py"
CLI = "import sys, greeting\nprint(greeting.WORD, *sys.argv[1:])\n"

Start = Callable[..., subprocess.CompletedProcess[str]]


def make_wheel(folder: Path, word: str) -> str:
    """A wheel of one module; answers its line in a lock."""
    wheel = folder / "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeting.py", f"WORD = {word!r}\n")
        archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr(
            "greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("greeting-1.0.dist-info/RECORD", "")
    return f"greeting==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose only dependency is a wheel beside it."""
    root = tmp_path / "a checkout"
    (root / "deploy/requirements").mkdir(parents=True)
    (root / "app").mkdir()
    (root / "app/cli.py").write_text(CLI)
    shutil.copy(RUN, root / "deploy")
    (root / "deploy/requirements/runtime.txt").write_text(make_wheel(tmp_path, "hello"))
    return root


def start(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it with pip, without a network, from another folder that has an `app` of its own."""
    elsewhere = checkout.parent / "elsewhere"
    (elsewhere / "app").mkdir(parents=True, exist_ok=True)
    (elsewhere / "app/__init__.py").write_text("raise SystemExit('the wrong app')")
    home = str(checkout.parent)
    env = {"PATH": "/usr/bin:/bin", "HOME": home, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": home}
    command = [sys.executable, str(checkout / "deploy/run.py"), *words]
    return subprocess.run(command, env=env, cwd=elsewhere, capture_output=True, text=True, check=False)


def test_it_installs_once_and_hands_the_words_on(checkout: Path) -> None:
    first, second = start(checkout, "up", "--port", "0"), start(checkout, "demo")

    assert (first.returncode, first.stdout) == (0, "hello up --port 0\n"), first.stderr
    assert "once" in first.stderr
    assert (second.returncode, second.stdout, second.stderr) == (0, "hello demo\n", "")
    launched = subprocess.run([checkout / ".venv/bin/phaya", "audit"], capture_output=True, text=True, check=True)
    assert launched.stdout == "hello audit\n"


def test_a_file_that_is_not_the_locked_one_is_refused(checkout: Path) -> None:
    make_wheel(checkout.parent, "something else")

    refused = start(checkout, "up")

    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert refused.stdout == ""


def test_an_old_python_is_told_what_is_needed(tmp_path: Path) -> None:
    pretend = f"import sys; sys.version_info = (3, 9, 2); sys.argv = ['run.py', 'up']; exec(open({str(RUN)!r}).read())"
    namespace = f"__file__ = {str(RUN)!r}; __name__ = '__main__'; {pretend}"
    told = subprocess.run(
        [sys.executable, "-c", namespace], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert told.returncode == 1
    assert "needs Python 3.11 or newer; this is 3.9.2" in told.stderr
