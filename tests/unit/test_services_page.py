"""The page of all services is that of the catalogue."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.api.example_answers import example_create, example_status
from app.api.services_page import services_page
from app.catalog.loader import load_catalog
from app.cli import main
from app.config import Environment, Settings
from app.main import create_app

PAGE = Path(__file__).parents[2] / "docs" / "services.md"
CATALOG = load_catalog()


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    """The routes as `/openapi.json` describes them."""
    description = create_app(Settings.model_validate({"environment": Environment.EMBEDDED})).openapi()
    return dict(description["paths"])


def test_page_is_current() -> None:
    assert PAGE.read_text() == services_page(CATALOG), "run: phaya services > docs/services.md"


def test_command_prints_the_page() -> None:
    printed = CliRunner().invoke(main, ["services"])

    assert (printed.exit_code, printed.output) == (0, PAGE.read_text())


@pytest.mark.parametrize("service_id", CATALOG)
def test_every_service_has_its_section_with_prices_and_fields(service_id: str) -> None:
    service = CATALOG[service_id]
    section = PAGE.read_text().partition(f'<a id="{service_id}"></a>')[2].partition("<a id=")[0]

    assert f"`POST /api/v1{service.create_path}`" in section
    assert all(f"| `{field}` |" in section for field in service.request.model_fields)
    assert all(rate in section for rate in service.rates.values())


@pytest.mark.parametrize("service_id", CATALOG)
def test_openapi_has_examples_of_request_and_answers(paths: dict[str, Any], service_id: str) -> None:
    service = CATALOG[service_id]
    create = paths[f"/api/v1{service.create_path}"]["post"]
    status = paths[f"/api/v1{service.status_path}"]["get"]

    shown = create["requestBody"]["content"]["application/json"]["examples"]
    assert [one["value"] for one in shown.values()] == [dict(example.request) for example in service.examples]
    assert create["responses"]["200"]["content"]["application/json"]["example"] == example_create(service)
    shown = status["responses"]["200"]["content"]["application/json"]["examples"]
    # FastAPI leaves nulls out of what it describes.
    told = {name: value for name, value in example_status(service).items() if value is not None}
    assert shown[service_id]["value"] == told
