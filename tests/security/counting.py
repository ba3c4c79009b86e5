"""A plugin that prints, at the end of a collection, how many ways in are tried through each channel."""

import json
from collections import Counter

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count the cases that carry the mark `escape`."""
    marks = [mark for item in session.items if (mark := item.get_closest_marker("escape"))]
    print("escapes:", json.dumps(Counter(str(mark.args[0]) for mark in marks)))  # noqa: T201 (it is what it is for)
