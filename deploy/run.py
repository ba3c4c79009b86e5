#!/usr/bin/env python3
"""Run phaya, or its tests, from a checkout: `python3 deploy/run.py up ...` and `python3 deploy/run.py test ...`.

Makes `.venv` in the checkout and installs the locked requirements by their hashes, with uv where it is found and with
pip otherwise. A second start finds them there and needs no network. Words after `up` go to `phaya up`, words after
`test` to pytest; any other first word is a command of `phaya`.

Only the standard library, and nothing that Python 3.7 could not read: it has to be able to say that it is too old.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "deploy/requirements"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
# What clients use and the suite therefore drives, beside the environment: other generations of OpenAI's SDKs.
SDKS = ROOT / "tests/sdks"
# Two processes, a file at a time: half of the suite's time is waiting.
WHOLE_SUITE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
LOCKED = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r")
# `-P`: a folder named `app` where the person happens to be must not be taken for ours.
LAUNCHER = """#!/bin/sh
exec "$(dirname "$0")/python" -P -m app.cli "$@"
"""


def main(words: Sequence[str]) -> None:
    """Install what is missing and become the program that was asked for."""
    if not words or words[0] in ("-h", "--help"):
        sys.exit(__doc__)
    need_python()
    if words[0] == "test":
        install("test")
        install_sdks()
        os.chdir(ROOT)
        become("pytest", words[1:] or WHOLE_SUITE)
    install("runtime")
    become("app.cli", words)


def become(module: str, words: Sequence[str]) -> None:
    """Replace this process, so that signals reach the program itself."""
    os.execv(PYTHON, [str(PYTHON), "-P", "-m", module, *words])


def need_python() -> None:
    """Go on in a newer Python if this one is too old, or say what is needed."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(OLDEST[1] + 9, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])
    version = ".".join(str(number) for number in sys.version_info[:3])
    sys.exit(f"phaya needs Python 3.11 or newer; this is {version} ({sys.executable}).")


def install(kind: str) -> None:
    """Bring `.venv` to what the lock says. When it is there already this takes no time and no network."""
    with alone():
        if os.access(PYTHON, os.X_OK) and stamp(kind).exists() and stamp(kind).read_text() == fingerprint(kind):
            return
        uv = shutil.which("uv")
        print(f"Installing into {VENV} with {'uv' if uv else 'pip'}, once ...", file=sys.stderr)
        make_venv(uv)
        install_lock(uv, kind)
        install_phaya()
        # The lock of the tests holds that of the runtime, version by version.
        for each in {kind, "runtime"}:
            stamp(each).write_text(fingerprint(each))


def install_sdks() -> None:
    """The first generation of OpenAI's SDK for Python and, where npm is, that for Node. Their tests skip without."""
    with alone():
        old = VENV / "sdks/python"
        if not is_done(old, SDKS / "openai-1.txt"):
            run([*installer(shutil.which("uv")), "--target", str(old), *LOCKED, str(SDKS / "openai-1.txt")])
            done(old, SDKS / "openai-1.txt")
        npm, node = shutil.which("npm"), VENV / "sdks/node"
        if npm and not is_done(node, SDKS / "package-lock.json"):
            node.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(SDKS / name, node)
            if is_quiet_success([npm, "ci", "--prefix", str(node), "--ignore-scripts", "--no-audit", "--no-fund"]):
                done(node, SDKS / "package-lock.json")
            else:
                print("npm could not install OpenAI's SDK for Node; its test is skipped.", file=sys.stderr)


def is_done(folder: Path, lock: Path) -> bool:
    """Whether the folder holds what this lock says."""
    mark = folder / "phaya.stamp"
    return mark.exists() and mark.read_bytes() == lock.read_bytes()


def done(folder: Path, lock: Path) -> None:
    """Say so."""
    shutil.copy(lock, folder / "phaya.stamp")


def stamp(kind: str) -> Path:
    """Where the fingerprint of what was installed is kept."""
    return VENV / f"phaya-{kind}.stamp"


def fingerprint(kind: str) -> str:
    """Another one when the lock changes or the checkout is moved."""
    return hashlib.sha256(bytes(ROOT) + lock_file(kind).read_bytes()).hexdigest()


def lock_file(kind: str) -> Path:
    """The versions and hashes of everything that `up` (runtime) or `test` needs."""
    return LOCKS / f"{kind}.txt"


@contextmanager
def alone() -> Iterator[None]:
    """One installer at a time in this checkout."""
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_venv(uv: str | None) -> None:
    """An environment that we can install into: the one that is there, if its Python runs."""
    if not os.access(PYTHON, os.X_OK):
        shutil.rmtree(VENV, ignore_errors=True)
        run([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
    if uv or is_quiet_success([str(PYTHON), "-m", "pip", "--version"]):
        return
    if not find_spec("ensurepip") or not is_quiet_success([str(PYTHON), "-m", "ensurepip"]):
        sys.exit(
            f"This Python ({sys.executable}) has no pip to install with, and no module `ensurepip` to get it from.\n"
            "On Debian and Ubuntu: apt install python3-venv. Or install uv, anywhere on the PATH."
        )


def install_lock(uv: str | None, kind: str) -> None:
    """What the lock names, by its hashes, from wheels alone: nothing is compiled here."""
    run([*installer(uv), *LOCKED, str(lock_file(kind))])


def installer(uv: str | None) -> list[str]:
    """The command that installs for our Python."""
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    return [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def install_phaya() -> None:
    """The checkout itself: a path and a launcher. There is nothing to build, so no build tool has to be there."""
    where = [str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"]
    site = Path(subprocess.run(where, check=True, stdout=subprocess.PIPE, text=True).stdout)
    (site / "phaya.pth").write_text(f"{ROOT}\n")
    launcher = VENV / "bin/phaya"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)


def is_quiet_success(command: Sequence[str]) -> bool:
    """Whether a step that may fail succeeds; it says nothing."""
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def run(command: Sequence[str]) -> None:
    """Run a step; its own words explain a failure."""
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        sys.exit(f"Failed with status {status}: {' '.join(command)}")


if __name__ == "__main__":
    main(sys.argv[1:])
