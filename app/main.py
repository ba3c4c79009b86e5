"""The API: `create_app()` wires the parts, the routes and the error handlers, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api import callbacks, files, health, media, metrics, user
from app.api.admin import routes as admin_routes
from app.api.answers import (
    answer_app_error,
    answer_crash,
    answer_http_error,
    answer_nobody,
    answer_validation_error,
)
from app.api.edge import Edge
from app.api.embedding import embedding_routes
from app.api.generation import generation_routes
from app.api.hot import HotPath, HotRoutes
from app.api.language_schemas import language_request_schemas
from app.api.openai import openai_routes
from app.api.phaya_gpt import phaya_gpt_routes
from app.api.schemas import COMPONENTS, request_schemas
from app.catalog.loader import load_catalog
from app.config import Settings, get_settings
from app.errors import AppError
from app.logs import configure_logs
from app.services.broker import open_broker
from app.services.costs import name_below_cost


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application, for uvicorn and for tests."""
    settings = settings or get_settings()
    configure_logs(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_broker(settings) as broker:
            name_below_cost(settings, broker.catalog)
            app.state.broker = broker
            yield

    catalog = load_catalog()
    app = FastAPI(
        title="Phaya", version="1.0.2", summary="A self-hosted AI media broker", lifespan=lifespan,
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )
    hot = HotRoutes()
    app.include_router(generation_routes(catalog, hot))
    for routes in (phaya_gpt_routes, embedding_routes, openai_routes):
        app.include_router(routes(hot))
    for module in (media, user, admin_routes, files, callbacks, health, metrics):
        app.include_router(module.router)
    app.add_exception_handler(AppError, answer_app_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    app.add_exception_handler(ClientDisconnect, answer_nobody)
    app.add_exception_handler(Exception, answer_crash)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(HotPath, routes=hot)
    app.add_middleware(Edge)
    _describe(app, {"schemas": COMPONENTS | request_schemas(catalog) | language_request_schemas()})
    return app


def _describe(app: FastAPI, components: dict[str, Any]) -> None:
    """Add what the catalogue's routes refer to, and the bearer key, to the OpenAPI description."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = generate()
            _drop_default_errors(description)
            known = description.setdefault("components", {})
            known.setdefault("schemas", {}).update(components["schemas"])
            known["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            description["security"] = [{"key": []}]
        return app.openapi_schema or generate()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _drop_default_errors(description: dict[str, Any]) -> None:
    """Take out the 422 that FastAPI writes beside every parameter: ours stands where it can happen."""
    for operations in description["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(name, None)
