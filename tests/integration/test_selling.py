"""What is not sold: from a purse that is nearly empty, and below the operator's floor."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.catalog.loader import load_catalog
from app.config import Settings
from app.embedded import Services
from app.services.costs import CostBook, defaults_below_cost
from tests.asking import balance, created, post
from tests.conftest import fresh_database
from tests.stack import Client, Stack, running_stack

PATIENCE_S = 10
BELOW = {"gpt-image-2-text-to-image": ["1K", "2K", "4K"], "kling-motion-control": ["720p", "1080p"]}
PICTURE = {"prompt": "a boat"}
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def stack(services: Services, template: str) -> Iterator[Stack]:
    """A stack that looks into its purses all the time, and sells nothing below cost."""
    with fresh_database(services, template) as name, running_stack(
        services, name, purse_look_s=0.1, least_margin="0", openrouter_management_key="sandbox-management",
    ) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Client:
    return stack.client("100")


def fill(stack: Stack, provider: str, left: float, key: str | None = None) -> None:
    """Let our account with the provider have this much."""
    key = key or getattr(stack.settings, f"{provider}_api_keys")[0]
    stack.control("POST", "purse", json={"provider": provider, "key": key, "left": left})


def eventually(client: Client, path: str, body: dict[str, Any], status: int) -> httpx.Response:
    """The answer, once it has this status."""
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        answer = post(client, path, body)
        if answer.status_code == status:
            return answer
        assert time.monotonic() < ends_at, answer.text
        time.sleep(0.05)


def test_an_empty_purse_stops_its_provider_until_it_is_filled(stack: Stack, client: Client) -> None:
    key = {"Idempotency-Key": "before"}
    before = client.http.post("/api/v1/text-to-image/generate", json=PICTURE, headers=key)
    fill(stack, "kie", 999.99)
    refusal = eventually(client, "/text-to-image/generate", PICTURE, 503)
    had = balance(client)

    again = client.http.post("/api/v1/text-to-image/generate", json=PICTURE, headers=key)
    assert refusal.json()["error"] == "service_unavailable"
    assert "is not sold at the moment" in refusal.json()["detail"]
    assert post(client, "/seedream/create", PICTURE).status_code == 503
    assert balance(client) == had
    # What costs us nothing there goes on, and so does what was accepted before.
    assert post(client, "/phaya-gpt/chat/completions", CHAT).status_code == 200
    assert (again.status_code, again.json()["job_id"]) == (200, before.json()["job_id"])

    fill(stack, "kie", 100_000)
    eventually(client, "/text-to-image/generate", PICTURE, 200)


@pytest.mark.parametrize("key", [None, "sandbox-management"])
def test_language_models_stop_in_the_shape_of_their_routes(stack: Stack, client: Client, key: str | None) -> None:
    fill(stack, "openrouter", 0.5, key)
    refusal = eventually(client, "/phaya-gpt/chat/completions", CHAT, 503)
    spoken = post(client, "/chat/completions", {"model": "phaya-gpt", **CHAT})
    embedded = post(client, "/embeddings", {"model": "text-embedding-3-small", "input": "Hello"})

    assert refusal.json()["error"] == "service_unavailable"
    assert [answer.status_code for answer in (spoken, embedded)] == [503, 503]
    assert spoken.json()["error"]["type"] == "api_error"
    assert created(client, "/text-to-image/generate", PICTURE)["success"]

    fill(stack, "openrouter", 100, key)
    eventually(client, "/phaya-gpt/chat/completions", CHAT, 200)


def test_what_is_below_the_floor_is_refused_until_its_price_is_raised(stack: Stack, client: Client) -> None:
    answer = post(client, "/gpt-image-2-text-to-image/create", PICTURE)

    assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
    assert "does not pay" in answer.json()["detail"]
    assert balance(client) == 100
    admin = stack.client("0", scopes=["admin"])
    for rate, value in (("1K", 1.05), ("2K", 1.75), ("4K", 2.8)):
        path = f"/api/v1/admin/rates/gpt-image-2-text-to-image/{rate}"
        assert admin.http.put(path, json={"value": value}).status_code == 200
    eventually(client, "/gpt-image-2-text-to-image/create", PICTURE, 200)
    assert balance(client) == Decimal("98.95")


@pytest.mark.parametrize(("change", "below"), [
    ({}, BELOW),
    ({"credit_usd": "0.1"}, {}),
    ({"kie_credit_usd": "0.0028"}, {}),
    ({"upstream_costs": {"kling-motion-control/720p": "1"}}, BELOW | {"kling-motion-control": ["1080p"]}),
    ({"upstream_costs": {"text-to-speech/output_per_million": "10.1"}},
     BELOW | {"text-to-speech": ["output_per_million"]}),
])
def test_below_cost_follows_the_settings(settings: Settings, change: dict[str, object], below: object) -> None:
    changed = Settings.model_validate(settings.model_dump(exclude_unset=True) | change)

    assert defaults_below_cost(changed, load_catalog()) == below


@pytest.mark.parametrize("name", ["kling-motion-control/480p", "kling", "merge-video/job"])
def test_a_cost_of_no_rate_is_refused(settings: Settings, name: str) -> None:
    changed = settings.model_copy(update={"upstream_costs": {name: Decimal(1)}})

    with pytest.raises(ValueError, match=f"PHAYA_UPSTREAM_COSTS names '{name}'"):
        CostBook(changed, load_catalog())
