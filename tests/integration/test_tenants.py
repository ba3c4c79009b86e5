"""What is another account's cannot be told from what does not exist, on every route that takes an id."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from app.catalog.loader import load_catalog
from app.catalog.model import Service
from app.config import Settings
from app.db.engine import Database
from app.db.ids import new_id
from app.files.models import FileRole
from app.files.register import add_file
from app.main import create_app
from app.services.job_writer import JobWriter
from tests.factories import make_key, make_tenant, new_job
from tests.serving import api

pytestmark = pytest.mark.asyncio(loop_scope="module")

each_service = pytest.mark.parametrize("service", load_catalog().values(), ids=lambda service: service.id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with api(module_settings) as client:
        yield client


class Person:
    """An account with a key for everything, and one job of a service."""

    def __init__(self, secret: str, job_id: str) -> None:
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.job_id = job_id


async def person(database: Database, service: Service) -> Person:
    tenant = await make_tenant(database)
    writer = JobWriter(database)
    example = dict(service.examples[0].request)
    job = await writer.create(replace(new_job(tenant, service=service.id), request=example, lane=service.lane))
    return Person(await make_key(database, tenant.account_id), str(job.job_id))


def paths_with_a_job(service: Service) -> list[tuple[str, str]]:
    routes = [("GET", service.status_path)]
    return [*routes, ("POST", f"/{service.id}/cancel/{{job_id}}")] if service.is_cancellable else routes


async def test_these_are_all_routes_that_take_a_job() -> None:
    known = {f"/api/v1{path}" for service in load_catalog().values() for _, path in paths_with_a_job(service)}
    described = create_app(Settings.model_validate({"environment": "embedded"})).openapi()["paths"]

    taking = {path for path in described if "{job_id}" in path and "/admin/" not in path}

    assert taking == known


@each_service
async def test_anothers_job_is_no_job(client: httpx.AsyncClient, module_pool: Database, service: Service) -> None:
    owner, stranger = await person(module_pool, service), await person(module_pool, service)

    for method, path in paths_with_a_job(service):
        async def ask(who: Person, job_id: str, method: str = method, path: str = path) -> httpx.Response:
            return await client.request(method, f"/api/v1{path.format(job_id=job_id)}", headers=who.headers)

        theirs, nobodys = await ask(stranger, owner.job_id), await ask(stranger, str(new_id()))

        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json() == nobodys.json() == {
            "success": False, "detail": "No such job", "error": "not_found", "message": "No such job"
        }
        assert (await ask(owner, owner.job_id)).status_code == 200


@each_service
async def test_a_job_is_found_through_its_own_services_route_alone(
    client: httpx.AsyncClient, module_pool: Database, service: Service
) -> None:
    owner = await person(module_pool, service)
    others = {it.status_path for it in load_catalog().values()} - {service.status_path}

    for path in others:
        answer = await client.get(f"/api/v1{path.format(job_id=owner.job_id)}", headers=owner.headers)
        assert answer.status_code == 404, path


async def test_lists_hold_ones_own_alone(client: httpx.AsyncClient, module_pool: Database) -> None:
    service = load_catalog()["text-to-image"]
    owner, stranger = await person(module_pool, service), await person(module_pool, service)

    history = (await client.get("/api/v1/text-to-image/history", headers=owner.headers)).json()
    entries = (await client.get("/api/v1/user/credits/history", headers=owner.headers)).json()["transactions"]

    assert [item["job_id"] for item in history["items"]] == [owner.job_id]
    assert {entry["job_id"] for entry in entries} == {None, owner.job_id}
    assert stranger.job_id not in str([history, entries])


@pytest.mark.parametrize("path", ["/files/guess/a.png", "/files/../../etc/passwd", "/files/%00/a.png"])
async def test_a_file_is_not_guessed(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"


DESCRIBED = create_app(Settings.model_validate({"environment": "embedded"})).openapi()["paths"]
# Models are the same for everybody.
WITH_IDS = sorted((method, path) for path, methods in DESCRIBED.items() for method in methods
                  if "{" in path and path != "/v1/models/{model_id}")
WITHOUT = sorted(path for path, methods in DESCRIBED.items() if "get" in methods and "{" not in path)
NO_SUCH = {"public": 404, "admin": 403, "callback": 200}


async def ids_of(database: Database, owner: Person) -> list[str]:
    """All that can be named of somebody's: account, key, job, hold, entry, grant and file."""
    rows = """
        SELECT j.account_id, j.key_id, j.id, h.id, e.id, g.id
        FROM jobs j JOIN holds h ON h.job_id = j.id JOIN ledger_entries e ON e.job_id = j.id
        JOIN ledger_entries g ON g.account_id = j.account_id AND g.kind = 'topup' WHERE j.id = :job
    """
    async with database.transaction() as db:
        named = (await db.execute(text(rows), {"job": owner.job_id})).one()
        file = await add_file(
            db, account_id=named[0], job_id=named[2], role=FileRole.RESULT, storage_key="a", filename="a",
            content_type="image/png", size=1, sha256=b"", media={},
        )
    return [str(it) for it in (*named, file.id)]


def kind_of(path: str) -> str:
    return "admin" if "/admin/" in path else "callback" if "/callbacks/" in path else "public"


@pytest.mark.parametrize(("method", "path"), WITH_IDS)
async def test_no_id_of_another_opens_any_route(
    client: httpx.AsyncClient, module_pool: Database, method: str, path: str
) -> None:
    service = load_catalog()["text-to-image"]
    owner, stranger = await person(module_pool, service), await person(module_pool, service)

    async def ask(name: str) -> tuple[int, str]:
        body: object = None if method == "get" else {}
        answer = await client.request(method, re.sub(r"{\w+}", name, path), headers=stranger.headers, json=body)
        return answer.status_code, answer.text

    nobodys = await ask(str(new_id()))
    for name in await ids_of(module_pool, owner):
        assert await ask(name) == nobodys
    assert nobodys[0] == NO_SUCH[kind_of(path)]


@pytest.mark.parametrize("path", WITHOUT)
async def test_no_list_and_no_view_tells_of_another(
    client: httpx.AsyncClient, module_pool: Database, path: str
) -> None:
    service = load_catalog()["text-to-image"]
    owner, stranger = await person(module_pool, service), await person(module_pool, service)
    account, key, job, *others = await ids_of(module_pool, owner)

    answer = await client.get(
        path, headers=stranger.headers, params={"account_id": account, "user_id": account, "key_id": key, "job_id": job}
    )

    assert (answer.status_code == 403) is ("/admin/" in path or path == "/metrics")
    for name in (account, key, job, *(it for it in others if len(it) > 20)):
        assert name not in answer.text
