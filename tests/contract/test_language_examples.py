"""Every example of a call to a language model, as the services' page and /openapi.json show it, is answered so."""

from decimal import Decimal
from typing import Any

import pytest

from app.api.services_page import LANGUAGE
from tests.stack import Stack


@pytest.mark.parametrize(("path", "request_body", "described"), [(call[2], call[4], call[5]) for call in LANGUAGE])
def test_the_example_is_answered_as_it_is_shown(
    stack: Stack, path: str, request_body: dict[str, Any], described: dict[str, Any]
) -> None:
    client = stack.client("1")
    shown = described["content"]["application/json"]["example"]
    answer = client.http.post(path, json=request_body)

    assert answer.status_code == 200
    given = answer.json()
    assert shown.keys() <= given.keys()
    for field, value in shown.items():
        assert type(given[field]) is type(value), field
    [debit] = stack.entries(client)
    assert debit.amount == -Decimal(str(given["credits_used"])) < 0


def test_every_call_is_shown(stack: Stack) -> None:
    paths = stack.client("0").http.get("/openapi.json").json()["paths"]

    paid = {
        path for path, operations in paths.items()
        if any("#/components/schemas/" in str(operation.get("requestBody")) for operation in operations.values())
        and ("/v1/" in path[:4] or "phaya-gpt" in path or "embedding" in path)
    }
    assert paid == {call[2] for call in LANGUAGE}
