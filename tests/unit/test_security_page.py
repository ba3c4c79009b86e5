"""docs/security.md names a test for every item, and it and docs/outages.md name tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
OUTAGES = (ROOT / "docs/outages.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE + OUTAGES)))
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (API\d|\d+\.\d)", line)]


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_test_that_is_named_exists(path: str, test: str) -> None:
    tree = ast.parse((ROOT / path).read_text())

    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_item_is_held_by_a_test_or_left_to_the_operator() -> None:
    assert [row for row in ROWS if "::test_" not in row and "*operator*" not in row] == []


def test_all_ten_risks_are_answered() -> None:
    assert [row.split(" ")[1] for row in ROWS if row.startswith("| API")] == [f"API{n}" for n in range(1, 11)]
