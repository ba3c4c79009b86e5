"""What an operator sets is what the next call costs, without a deploy; and a call that he takes back costs nothing."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from app.db.engine import Database
from app.embedded import Services
from app.services.admin_rates import list_rates, set_rate
from app.services.rates import FRESH_S
from tests.conftest import fresh_database
from tests.contract.chatting import CHAT, balance, last_job, opened, says
from tests.stack import Stack, running_stack


@pytest.fixture(scope="module")
def stack(services: Services, template: str) -> Iterator[Stack]:
    """A stack of its own: its rates are changed."""
    with fresh_database(services, template) as name, running_stack(services, name, lease_s=1) as running:
        yield running


def change(stack: Stack, service: str, **rates: str) -> None:
    """Set these rates, and wait until every process uses them."""

    async def set_all(database: Database) -> None:
        async with database.transaction() as db:
            for name, value in rates.items():
                await set_rate(db, actor="test", service=service, name=name, value=Decimal(value))

    stack.query(set_all)
    time.sleep(FRESH_S + 0.1)


def ask(stack: Stack, **more: Any) -> tuple[dict[str, int], Decimal]:
    """What a chat used and cost."""
    body = stack.client("1000").http.post(CHAT, json=says("Hello", **more)).json()
    return body["usage"], Decimal(str(body["credits_used"]))


def test_the_operators_rates_are_charged(stack: Stack) -> None:
    change(stack, "phaya-gpt", **{"input": "1000", "output": "2000", "openai/gpt-5.4/input": "5000"})

    usage, credits = ask(stack)
    other_usage, other_credits = ask(stack, model="gpt-5.4")

    assert credits == (Decimal(1_000) * usage["prompt_tokens"] + 2_000 * usage["completion_tokens"]) / 1_000_000
    assert other_credits == (Decimal(5_000) * other_usage["prompt_tokens"] + 350 * other_usage["completion_tokens"]) / (
        1_000_000
    )
    prices = stack.client().http.get("/api/v1/phaya-gpt/pricing").json()
    assert (prices["input"], prices["output"]) == (1_000, 2_000)
    assert prices["models"]["openai/gpt-5.4"] == {"input": 5_000, "output": 350}


def test_a_search_has_a_rate_of_its_own(stack: Stack) -> None:
    usage, free = ask(stack, web_search=True)
    change(stack, "phaya-gpt", web_search="2.5")

    _, charged = ask(stack, web_search=True)

    assert usage["prompt_tokens"] > 0
    assert charged - free in (Decimal("2.5"), Decimal(5), Decimal("7.5"))


def test_rates_of_models_are_listed_beside_the_others(stack: Stack) -> None:
    change(stack, "embedding", **{"openai/text-embedding-3-small/input": "3"})

    async def read(database: Database) -> dict[tuple[str, str], Decimal | None]:
        async with database.statement() as db:
            return {(rate.service, rate.name): rate.default for rate in await list_rates(db)}

    rates = stack.query(read)
    assert rates["phaya-gpt", "input"] == Decimal("10.5")
    assert rates["embedding", "input"] == Decimal("2.8")
    assert rates["embedding", "openai/text-embedding-3-small/input"] is None


def test_a_call_that_the_operator_ends_is_not_charged(stack: Stack) -> None:
    client = stack.client("10")
    with opened(client, "Tell me about the sea [[sandbox:slow=20]]") as lines:
        job_id = last_job(stack, client)["id"]
        admin = stack.client("0", scopes=["admin"])
        answer = admin.http.post(f"/api/v1/admin/jobs/{job_id}/cancel")
        told = list(lines)

    assert answer.status_code == 200, answer.text
    assert any('"upstream_error"' in line for line in told)
    assert "data: [DONE]" not in told
    assert last_job(stack, client)["state"] == "cancelled"
    assert balance(client) == (Decimal(10), Decimal(10))
