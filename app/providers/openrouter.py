"""OpenRouter: language models behind one OpenAI-like API (upstreams/openrouter.md).

Calls are paid and made once. Lists, prices and the record of a generation are free and may be asked for again.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx

from app.errors import Throttled
from app.providers.http import ANSWER_LIMIT_BYTES, ClientFleet, free_call, paid_call, read_limited
from app.providers.openrouter_errors import read_error
from app.providers.openrouter_models import ListedModel, read_models
from app.providers.openrouter_purse import read_credits, read_key
from app.providers.openrouter_usage import Generation, read_generation
from app.providers.port import ProviderKey, Purse
from app.providers.sse import Event, EventReader

NAME = "OpenRouter"
ERROR_LIMIT_BYTES = 64 * 1024
# A stream that waits for its provider is kept alive by comments: longer silence is a connection that died.
IDLE_S = 60.0


class OpenAnswer:
    """An answer of 200 whose body is still to be read."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    @property
    def generation_id(self) -> str | None:
        """Under which upstream keeps its record of the call."""
        found: str | None = self._response.headers.get("x-generation-id")
        return found

    async def whole(self, *, limit: int = ANSWER_LIMIT_BYTES) -> bytes:
        """The body."""
        return await read_limited(self._response, limit=limit)

    async def events(self) -> AsyncGenerator[list[Event], None]:
        """The body as events, comments among them: those that came together at once."""
        reader = EventReader()
        async for piece in self._response.aiter_bytes():
            if events := reader.feed(piece):
                yield events


class OpenRouter:
    """The API with our keys."""

    name = "openrouter"

    def __init__(
        self, fleet: ClientFleet, *, base_url: str, keys: tuple[ProviderKey, ...],
        management_key: ProviderKey | None = None,
    ) -> None:
        self._fleet = fleet
        self._base_url = base_url
        self._management_key = management_key
        self.keys = keys

    @asynccontextmanager
    async def open(
        self, key: ProviderKey, route: str, body: bytes, *, idle_s: float = IDLE_S
    ) -> AsyncIterator[OpenAnswer]:
        """Make a paid call; `idle_s` is the longest silence. Once only: after Unclear it is never made again.

        Raises what a refusal means (see app.errors.ProviderError), and Unclear where the answer breaks off.
        """
        timeout = httpx.Timeout(connect=10, read=idle_s, write=60, pool=10)
        headers = {
            "Authorization": f"Bearer {key.secret}", "Content-Type": "application/json", "Accept-Encoding": "identity",
        }
        with paid_call(NAME), self._fleet.take() as client:
            async with client.stream(
                "POST", self._base_url + route, headers=headers, content=body, timeout=timeout
            ) as response:
                if response.status_code != HTTPStatus.OK:
                    content = await read_limited(response, limit=ERROR_LIMIT_BYTES)
                    raise read_error(response.status_code, response.headers, content)
                yield OpenAnswer(response)

    async def models(self) -> list[ListedModel]:
        """The models on offer, those that embed included. Raises Throttled when there is no answer now."""
        lists = [await self._get(route) for route in ("/models", "/embeddings/models")]
        return [model for content in lists if content is not None for model in read_models(content)]

    async def generation(self, key: ProviderKey, generation_id: str) -> Generation | None:
        """The record of a call; None if there is none (yet). Raises Throttled when there is no answer now."""
        content = await self._get("/generation", key=key, params={"id": generation_id})
        return None if content is None else read_generation(content)

    async def purse(self, key: ProviderKey) -> Purse:
        """What may still be spent under the key, in US dollars, and what was.

        An account tells what it has to a management key alone; any other key knows but its own cap, if it has one.
        """
        own = read_key(await self._get("/key", key=key))
        if self._management_key is None:
            return own
        account = read_credits(await self._get("/credits", key=self._management_key))
        return Purse(min(own.left, account) if own.left is not None else account, own.spent)

    async def _get(
        self, route: str, *, key: ProviderKey | None = None, params: dict[str, str] | None = None
    ) -> bytes | None:
        key = key or self.keys[0]
        headers = {"Authorization": f"Bearer {key.secret}"}
        with free_call(NAME), self._fleet.take() as client:
            async with client.stream("GET", self._base_url + route, headers=headers, params=params) as response:
                content = await read_limited(response, limit=4 * ANSWER_LIMIT_BYTES)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        if response.status_code != HTTPStatus.OK:
            detail = f"HTTP {response.status_code}: {content[:500].decode(errors='replace')}"
            raise Throttled("The provider does not answer", detail=detail)
        return content
