"""Which pages of others may read the API from a browser: none, but those that the operator names."""

import httpx
import pytest

from app.config import Settings
from tests.serving import api

NAMED, OTHER = "https://app.example.org", "https://evil.example.net"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def ask(settings: Settings, origin: str, method: str = "GET") -> httpx.Response:
    async with api(settings) as client:
        return await client.request(method, "/health", headers={"Origin": origin, **PREFLIGHT})


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_by_default_no_page_of_others_may(settings: Settings, method: str) -> None:
    answer = await ask(settings, NAMED, method)

    assert [name for name in answer.headers if name.startswith("access-control")] == []
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_page_that_is_named_may_and_another_may_not(settings: Settings) -> None:
    named = settings.model_copy(update={"cors_origins": (NAMED,)})

    assert (await ask(named, NAMED)).headers["Access-Control-Allow-Origin"] == NAMED
    assert (await ask(named, NAMED, "OPTIONS")).headers["Access-Control-Allow-Origin"] == NAMED
    for method in ("GET", "OPTIONS"):
        answer = await ask(named, OTHER, method)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers
