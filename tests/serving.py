"""The API in the test's own event loop: its real parts, without a socket in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from app.config import Settings
from app.main import create_app


@asynccontextmanager
async def api(settings: Settings, *, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A client of one API process, which calls from `address`."""
    async with served(create_app(settings), address=address) as client:
        yield client


@asynccontextmanager
async def served(app: FastAPI, *, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """The same for an application that the test made, whose broker it can reach."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield client
