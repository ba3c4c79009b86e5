"""The locks hold what pyproject.toml asks for, by hash, and name no place to get it from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ASKED = {
    "runtime": [*PROJECT["dependencies"], *EXTRAS["embedded"]],
    "test": [*PROJECT["dependencies"], *EXTRAS["embedded"], *EXTRAS["dev"]],
}


def locked(kind: str) -> dict[str, str]:
    """Version by name."""
    text = (ROOT / f"deploy/requirements/{kind}.txt").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S+==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE))
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize("kind", ["runtime", "test"])
def test_everything_asked_for_is_locked_at_a_version_that_will_do(kind: str) -> None:
    pins = locked(kind)

    for requirement in map(Requirement, ASKED[kind]):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)], prereleases=True), requirement


def test_the_tests_run_with_what_a_user_runs_with() -> None:
    assert locked("runtime").items() <= locked("test").items()


@pytest.mark.parametrize("lock", [
    "deploy/requirements/runtime.txt", "deploy/requirements/test.txt", "tests/sdks/openai-1.txt",
    "tests/sdks/package-lock.json",
])
def test_no_lock_names_an_index(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert not re.search(r"://|--(extra-)?index|--find-links", text)
