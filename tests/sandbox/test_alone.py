"""The sandbox knows nothing of the broker: the two meet over HTTP alone."""

import ast
from pathlib import Path

import app.sandbox


def imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


def test_it_imports_nothing_of_the_rest() -> None:
    files = list(Path(app.sandbox.__file__).parent.rglob("*.py"))
    found = {name for file in files for name in imported(file) if name.split(".")[0] in ("app", "workers", ".")}

    assert {name for name in found if name != "app.sandbox" and not name.startswith("app.sandbox.")} == set()
    assert "app.sandbox.world" in found
