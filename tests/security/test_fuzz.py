"""Every operation of the API's own description, asked with values that fit it and values that do not."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.accounts.keys import ALL_SERVICES
from app.config import Settings
from app.embedded import Services
from app.main import create_app
from tests.conftest import fresh_database
from tests.stack import Client, Stack, running_stack

IS_LONG = settings.get_current_profile_name() == "long"
# There are about a hundred operations: 300 cases, or 2,000.
CASES_EACH = 21 if IS_LONG else 3
CHAINS, STEPS = (40, 10) if IS_LONG else (5, 5)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# What takes no address: none that was made up shall be looked up.
OF_WORDS = r"^(text-to-|gpt-image-2-text|sora2-text)"
ASKED_ENOUGH: dict[str, Any] = {
    "deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.generate], "database": None,
}

described = schemathesis.openapi.from_dict(create_app(Settings.model_validate({"environment": "embedded"})).openapi())


@pytest.fixture(scope="module")
def stack(services: Services, template: str) -> Iterator[Stack]:
    """A stack of its own, since an admin who tries everything changes rates."""
    with fresh_database(services, template) as name, running_stack(services, name) as running:
        yield running


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Client:
    """Who may do everything and pay for nothing: no name that was made up is looked up."""
    return stack.client("0", scopes=(*ALL_SERVICES, "admin"))


@described.parametrize()
@settings(max_examples=CASES_EACH, **ASKED_ENOUGH)
def test_every_answer_is_one_that_is_described(case: schemathesis.Case[Any], stack: Stack, admin: Client) -> None:
    response = case.call(base_url=stack.api_url, headers={"Authorization": f"Bearer {admin.secret}"})

    case.validate_response(response, checks=CHECKS)


def test_what_a_create_links_to_is_there(stack: Stack) -> None:
    client = stack.client("100000")
    followed: set[str] = set()

    class Chain(described.include(operation_id_regex=OF_WORDS).as_state_machine()):  # type: ignore[misc]
        """Creates, and what their answers link to."""

        def get_call_kwargs(self, case: schemathesis.Case[Any]) -> dict[str, Any]:
            return {"base_url": stack.api_url, "headers": {"Authorization": f"Bearer {client.secret}"}}

        def validate_response(self, response: Any, case: schemathesis.Case[Any], **options: Any) -> None:
            if response.status_code == 200 and case.method == "GET":
                followed.add(str(case.operation.definition.raw["operationId"]))
            case.validate_response(response, checks=CHECKS)

    Chain.run(settings=settings(max_examples=CHAINS, stateful_step_count=STEPS, **ASKED_ENOUGH))

    assert any(name.endswith("-status") for name in followed)
