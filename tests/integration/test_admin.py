"""The operator's REST, every route of it: answers, pages, refusals, and the act that each leaves behind."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from app.accounts.keys import ALL_SERVICES
from app.config import Settings
from app.db.engine import Database
from app.db.ids import new_id
from app.jobs import queries
from app.jobs.states import AttemptOutcome, JobState, move
from app.ledger import HoldKind
from app.main import create_app
from app.services.end_job import fail, succeed
from tests.books import balance_of, view
from tests.factories import make_job, make_key, make_tenant
from tests.serving import api

ADMIN = "/api/v1/admin"
NOWHERE = "01942f6e-4a35-7f0e-9a56-0f3a4f3c8f11"
NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).replace(microsecond=0)


# One API serves the module: making one takes longer than most of its tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def database(module_pool: Database) -> Database:
    return module_pool


@dataclass(frozen=True)
class Operator:
    """Somebody with an admin key."""

    http: httpx.AsyncClient
    key_id: str

    async def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = await self.http.request(method, ADMIN + path, **more)
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert body["success"] is (status == 200)
        return body

    async def refused(self, method: str, path: str, status: int, **more: Any) -> str:
        """The message of a refusal, which has the contract's shape."""
        body = await self.ask(method, path, status, **more)
        words = {400: "bad_request", 404: "not_found", 409: "conflict", 422: "validation_error"}
        assert body["error"] == words[status]
        assert body["detail"] == body["message"] or status == 422
        return str(body["message"])

    async def last_act(self) -> dict[str, Any]:
        acts = await self.ask("GET", "/acts", params={"limit": 1})
        act: dict[str, Any] = acts["items"][0]
        return act


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(module_settings: Settings, module_pool: Database) -> AsyncIterator[Operator]:
    tenant = await make_tenant(module_pool, "0")
    secret = await make_key(module_pool, tenant.account_id, scopes=["admin"])
    async with api(module_settings.model_copy(update={"kie_api_keys": ("never-asked",)})) as http:
        http.headers["Authorization"] = f"Bearer {secret}"
        listed = await http.get(f"{ADMIN}/accounts/{tenant.account_id}/keys", params={"limit": 1})
        yield Operator(http, listed.json()["items"][0]["key_id"])


@pytest_asyncio.fixture(loop_scope="module")
async def account(operator: Operator) -> dict[str, Any]:
    body: dict[str, Any] = await operator.ask(
        "POST", "/accounts", json={"email": f"{new_id()}@example.org", "name": "A class"}
    )
    return body


def is_recent(instant: str) -> bool:
    return abs((datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds()) < 30


# Who may


def routes() -> list[tuple[str, str]]:
    """Every admin route that the OpenAPI description has."""
    description = create_app(Settings.model_validate({"environment": "embedded"})).openapi()
    return [
        (method.upper(), path.replace("{account_id}", NOWHERE).replace("{key_id}", NOWHERE)
         .replace("{job_id}", NOWHERE).replace("{service}/{name}", "text-to-image/job"))
        for path, operations in description["paths"].items() if path.startswith(ADMIN) for method in operations
    ]


async def test_the_routes_are_these() -> None:
    assert len(routes()) == 20


@pytest.mark.parametrize(("method", "path"), routes())
async def test_every_route_is_for_admins_alone(
    operator: Operator, database: Database, method: str, path: str
) -> None:
    mortal = await make_key(database, (await make_tenant(database)).account_id, scopes=ALL_SERVICES)

    # A body that is no JSON shows that nothing is read before the caller is known.
    nobody = await operator.http.request(method, path, headers={"Authorization": "Bearer pk_no"}, content=b"{")
    somebody = await operator.http.request(method, path, headers={"Authorization": f"Bearer {mortal}"}, content=b"{")

    assert nobody.status_code == 401
    assert nobody.json()["error"] == "invalid_api_key"
    assert somebody.status_code == 403
    message = "This key has no permission for admin"
    assert somebody.json() == {"success": False, "detail": message, "error": "forbidden", "message": message}


# Accounts


async def test_an_account_is_opened_with_nothing(operator: Operator) -> None:
    email = f"{new_id()}@example.org"

    made = await operator.ask("POST", "/accounts", json={"email": f" {email} ", "name": " A class "})

    assert made["email"] == email
    assert made["name"] == "A class"
    assert (made["credits_balance"], made["available"]) == (0, 0)
    assert is_recent(made["created_at"])
    assert await operator.ask("GET", f"/accounts/{made['account_id']}") == made
    act = await operator.last_act()
    assert (act["actor"], act["act"], act["subject"]) == (operator.key_id, "account.create", made["account_id"])
    assert act["detail"] == {"email": email, "name": "A class"}
    assert is_recent(act["at"])


async def test_an_email_is_taken_once(operator: Operator, account: dict[str, Any]) -> None:
    body = {"email": account["email"], "name": "Another"}

    assert await operator.refused("POST", "/accounts", 409, json=body) == "An account with this email exists"
    assert (await operator.last_act())["subject"] == account["account_id"]


async def test_accounts_are_listed_page_by_page(operator: Operator, database: Database) -> None:
    made = [str((await make_tenant(database, "7")).account_id) for _ in range(5)][::-1]

    first = await operator.ask("GET", "/accounts", params={"limit": 2})
    second = await operator.ask("GET", "/accounts", params={"limit": 3, "after": first["next"]})

    assert [item["account_id"] for item in first["items"] + second["items"]] == made
    assert first["next"] == made[1]
    assert {item["credits_balance"] for item in first["items"]} == {7.0}


async def test_an_account_is_found_by_its_email(operator: Operator, account: dict[str, Any]) -> None:
    found = await operator.ask("GET", "/accounts", params={"email": account["email"]})

    assert [item["account_id"] for item in found["items"]] == [account["account_id"]]
    assert (await operator.ask("GET", "/accounts", params={"email": "nobody@example.org"}))["items"] == []


# Credits


async def test_a_grant_adds_and_says_what_there_is_now(operator: Operator, account: dict[str, Any]) -> None:
    path = f"/accounts/{account['account_id']}"

    await operator.ask("POST", f"{path}/grants", json={"credits": 100})
    made = await operator.ask("POST", f"{path}/grants", json={"credits": 0.000466, "note": "Welcome"})

    assert made["account_id"] == account["account_id"]
    assert (made["kind"], made["credits"], made["credits_balance"]) == ("topup", 0.000466, 100.000466)
    assert made["note"] == "Welcome"
    assert is_recent(made["created_at"])
    assert (await operator.ask("GET", path))["available"] == 100.000466
    act = await operator.last_act()
    assert (act["actor"], act["act"], act["subject"]) == (operator.key_id, "credits.grant", account["account_id"])
    assert act["detail"] == {"credits": "0.000466000", "note": "Welcome", "entry_id": made["entry_id"]}


@pytest.mark.parametrize(("noun", "credits"), [("grants", 5), ("corrections", -5)])
async def test_the_same_key_makes_the_same_entry(
    operator: Operator, account: dict[str, Any], noun: str, credits: int
) -> None:
    path, key = f"/accounts/{account['account_id']}", {"Idempotency-Key": "a-key"}
    await operator.ask("POST", f"{path}/grants", json={"credits": 50})

    answers = [
        await operator.http.post(
            f"{ADMIN}{path}/{noun}", headers=key, json={"credits": credits, "note": "n"}
        )
        for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].content == answers[1].content == answers[2].content
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true"]
    assert (await operator.ask("GET", path))["credits_balance"] == 50 + credits
    refusal = await operator.ask("POST", f"{path}/{noun}", 422, headers=key, json={"credits": credits, "note": "m"})
    assert refusal["error"] == "idempotency_key_reused"
    assert len((await operator.ask("GET", "/ledger", params={"account_id": account["account_id"]}))["items"]) == 2


async def test_an_entry_key_has_a_length(operator: Operator, account: dict[str, Any]) -> None:
    for key in ("", "x" * 256):
        refusal = await operator.refused(
            "POST", f"/accounts/{account['account_id']}/grants", 422, headers={"Idempotency-Key": key},
            json={"credits": 1},
        )
        assert refusal.startswith("idempotency-key: String should have at")


async def test_a_correction_takes_no_more_than_there_is(operator: Operator, account: dict[str, Any]) -> None:
    path = f"/accounts/{account['account_id']}"
    await operator.ask("POST", f"{path}/grants", json={"credits": 5})

    refusal = await operator.ask("POST", f"{path}/corrections", 402, json={"credits": -5.01, "note": "Too much"})
    made = await operator.ask("POST", f"{path}/corrections", json={"credits": -4.5, "note": "Granted twice"})

    message = "Insufficient credits: 5.01 required, 5.00 available"
    assert refusal == {"success": False, "detail": message, "error": "insufficient_credits", "message": message,
                       "required": 5.01, "credits_balance": 5.0, "available": 5.0}
    assert (made["kind"], made["credits"], made["credits_balance"]) == ("correction", -4.5, 0.5)
    assert (await operator.last_act())["act"] == "credits.correct"


@pytest.mark.parametrize(("noun", "body", "problem"), [
    ("grants", {}, "credits: Field required"),
    ("grants", {"credits": 0}, "credits: Input should be greater than 0"),
    ("grants", {"credits": -1}, "credits: Input should be greater than 0"),
    ("grants", {"credits": "many"}, "credits: Input should be a valid decimal"),
    ("grants", {"credits": "NaN"}, "credits: Input should be a finite number"),
    ("grants", {"credits": "1e-10"}, "credits: Decimal input should have no more than 9 decimal places"),
    ("grants", {"credits": 1e30}, "credits: Decimal input should have no more than 20 digits in total"),
    ("grants", {"credits": 20_000_000_000}, "An account holds at most 10,000,000,000 credits"),
    ("grants", {"credits": 1, "notes": "x"}, "notes: Extra inputs are not permitted"),
    ("grants", {"credits": 1, "note": "x" * 1_001}, "note: String should have at most 1000 characters"),
    ("grants", {"credits": 1, "note": "\0"}, "The body holds a NUL character"),
    ("grants", [], "body: Input should be a valid dictionary"),
    ("corrections", {"credits": -1}, "note: Field required"),
    ("corrections", {"credits": 0, "note": "x"}, "credits: Value error, must not be 0"),
])
async def test_an_entry_is_checked(
    operator: Operator, account: dict[str, Any], noun: str, body: Any, problem: str
) -> None:
    message = await operator.refused("POST", f"/accounts/{account['account_id']}/{noun}", 422, json=body)

    assert message.startswith(problem)
    assert (await operator.last_act())["act"] == "account.create"


async def test_a_body_that_is_no_json_is_said_to_be_none(operator: Operator, account: dict[str, Any]) -> None:
    path = f"/accounts/{account['account_id']}/grants"

    assert (await operator.refused("POST", path, 400, content=b"{")).startswith("The body is not valid JSON")


# Keys


async def test_a_key_is_shown_once_and_works(operator: Operator, account: dict[str, Any]) -> None:
    limits = {"name": "For the class", "scopes": ["image", "account:read"], "credit_limit": 2.5,
              "expires_at": NEXT_YEAR.isoformat(), "addresses": ["127.0.0.1", "10.0.0.0/8"], "rate_per_minute": 7}

    made = await operator.ask("POST", f"/accounts/{account['account_id']}/keys", json=limits)

    secret = made.pop("key")
    assert len(secret) == 51
    assert secret.startswith("pk_")
    assert made["hint"] == secret[:7]
    assert datetime.fromisoformat(made["expires_at"]) == NEXT_YEAR
    assert {name: made[name] for name in limits if name != "expires_at"} == {
        name: value for name, value in limits.items() if name != "expires_at"
    }
    assert (made["spent"], made["revoked_at"]) == (0, None)
    seen = await operator.ask("GET", f"/keys/{made['key_id']}")
    assert seen == made
    assert secret not in str(await operator.ask("GET", "/acts"))
    profile = await operator.http.get("/api/v1/user/profile", headers={"Authorization": f"Bearer {secret}"})
    assert profile.json()["user_id"] == account["account_id"]
    assert profile.headers["x-ratelimit-limit"] == "7"
    act = await operator.last_act()
    assert (act["act"], act["subject"], act["detail"]["scopes"]) == ("key.create", made["key_id"], limits["scopes"])


async def test_a_key_without_limits_is_for_all_services(operator: Operator, account: dict[str, Any]) -> None:
    made = await operator.ask("POST", f"/accounts/{account['account_id']}/keys", json={"name": "All"})

    assert made["scopes"] == list(ALL_SERVICES)
    assert [made[name] for name in ("credit_limit", "expires_at", "rate_per_minute")] == [None] * 3
    assert made["addresses"] == []


async def test_a_key_tells_what_it_spent(operator: Operator, database: Database) -> None:
    tenant = await make_tenant(database, "10", credit_limit="8")
    await make_job(database, tenant, "3")

    seen = await operator.ask("GET", f"/keys/{tenant.key_id}")

    assert (seen["spent"], seen["credit_limit"]) == (3.0, 8.0)


async def test_keys_are_listed_page_by_page(operator: Operator, account: dict[str, Any]) -> None:
    path = f"/accounts/{account['account_id']}/keys"
    made = [(await operator.ask("POST", path, json={"name": str(number)}))["key_id"] for number in range(3)][::-1]

    first = await operator.ask("GET", path, params={"limit": 2})
    second = await operator.ask("GET", path, params={"limit": 2, "after": first["next"]})

    assert [item["key_id"] for item in first["items"] + second["items"]] == made
    assert second["next"] is None
    assert "key" not in first["items"][0]


@pytest.mark.parametrize(("change", "problem"), [
    ({"name": ""}, "name: String should have at least 1 character"),
    ({"scopes": ["image", "imges"]}, "scopes: unknown scope 'imges': known are account:read, admin, audio"),
    ({"credit_limit": -1}, "credit_limit: Input should be greater than or equal to 0"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at: Value error, must be in the future"),
    ({"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at: Value error, must be in the future"),
    ({"expires_at": NEXT_YEAR.replace(tzinfo=None).isoformat()}, "expires_at: Input should have timezone info"),
    ({"addresses": ["10.0.0.0/99"]}, "addresses: '10.0.0.0/99' does not appear to be"),
    ({"addresses": ["example.org"]}, "addresses: 'example.org' does not appear to be"),
    ({"rate_per_minute": 0}, "rate_per_minute: Input should be greater than or equal to 1"),
    ({"credit_limt": 1}, "credit_limt: Extra inputs are not permitted"),
])
async def test_a_keys_limits_are_checked(
    operator: Operator, account: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    path = f"/accounts/{account['account_id']}/keys"
    key = (await operator.ask("POST", path, json={"name": "A key"}))["key_id"]

    created = await operator.ask("POST", path, 422, json={"name": "A key"} | change)
    changed = await operator.ask("PATCH", f"/keys/{key}", 422, json=change)

    assert created["message"].startswith(problem)
    assert created == changed
    assert created["detail"][0]["loc"] == ["body", next(iter(change))] or "addresses" in change or "scopes" in change
    assert len((await operator.ask("GET", path))["items"]) == 1


async def test_a_keys_limits_can_be_changed_one_by_one(operator: Operator, account: dict[str, Any]) -> None:
    body = {"name": "A key", "credit_limit": 1, "addresses": ["10.0.0.1"], "scopes": ["image"]}
    made = await operator.ask("POST", f"/accounts/{account['account_id']}/keys", json=body)
    made.pop("key")

    changed = await operator.ask("PATCH", f"/keys/{made['key_id']}", json={"credit_limit": 20, "addresses": []})
    lifted = await operator.ask("PATCH", f"/keys/{made['key_id']}", json={"credit_limit": None})

    assert changed == made | {"credit_limit": 20.0, "addresses": []}
    assert lifted == changed | {"credit_limit": None}
    acts = (await operator.ask("GET", "/acts", params={"limit": 2}))["items"]
    assert [(act["act"], act["detail"]) for act in acts] == [
        ("key.change", {"credit_limit": None}), ("key.change", {"credit_limit": "20", "addresses": []})
    ]


async def test_a_key_is_revoked_for_good(operator: Operator, account: dict[str, Any]) -> None:
    made = await operator.ask("POST", f"/accounts/{account['account_id']}/keys", json={"name": "Lost"})

    revoked = await operator.ask("DELETE", f"/keys/{made['key_id']}")
    again = await operator.ask("DELETE", f"/keys/{made['key_id']}")

    assert is_recent(revoked["revoked_at"])
    assert again == revoked
    act = await operator.last_act()
    assert (act["act"], act["subject"]) == ("key.revoke", made["key_id"])
    assert [it["act"] for it in (await operator.ask("GET", "/acts", params={"limit": 2}))["items"]] == [
        "key.revoke", "key.create"
    ]


# Jobs


async def test_a_job_is_seen_with_all_that_stands_behind_it(operator: Operator, database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4")
    async with database.transaction() as db:
        await move(db, job.id, source=JobState.QUEUED, target=JobState.SUBMITTING)
        attempt = await queries.add_attempt(db, job, provider="kie", provider_key="abcd", secret_hash=b"hidden")
        await queries.answer_attempt(
            db, attempt.id, AttemptOutcome.REFUSED, task_id="t-1", cost=Decimal("0.5"), detail="422 from upstream"
        )
        job = (await queries.load(db, [job.id]))[0]
        await fail(db, job, reason="rejected", error="Not like this", is_flagged=True)

    seen = await operator.ask("GET", f"/jobs/{job.id}")

    assert (seen["state"], seen["reason"], seen["error"], seen["is_flagged"]) == (
        "failed", "rejected", "Not like this", True
    )
    assert (seen["credits"], seen["credits_used"], seen["request"]) == (4.0, 0.0, {"prompt": "a boat"})
    assert [(it["source"], it["target"], it["detail"]) for it in seen["events"]] == [
        ("queued", "submitting", None), ("submitting", "failed", "rejected")
    ]
    [attempt_seen] = seen["attempts"]
    assert (attempt_seen["task_id"], attempt_seen["cost"], attempt_seen["outcome"]) == ("t-1", 0.5, "refused")
    assert "hidden" not in str(seen)
    [hold] = seen["holds"]
    assert (hold["kind"], hold["state"], hold["amount"], hold["captured"]) == ("visible", "released", 4.0, 0.0)


async def test_jobs_are_filtered_and_listed_page_by_page(operator: Operator, database: Database) -> None:
    tenant, other = await make_tenant(database), await make_tenant(database)
    live, flagged, done, elsewhere = [await make_job(database, it) for it in (tenant, tenant, tenant, other)]
    async with database.transaction() as db:
        await fail(db, flagged, reason="unclear", error="Lost", is_flagged=True)
        await move(db, done.id, source=JobState.QUEUED, target=JobState.RUNNING)
        await move(db, done.id, source=JobState.RUNNING, target=JobState.STORING)
        await succeed(db, (await queries.load(db, [done.id]))[0], result={})

    async def listed(**params: Any) -> list[str]:
        items = (await operator.ask("GET", "/jobs", params={"limit": 200} | params))["items"]
        return [item["job_id"] for item in items]

    mine = {"account_id": str(tenant.account_id)}
    assert await listed(**mine) == [str(job.id) for job in (done, flagged, live)]
    assert await listed(**mine, state="queued") == [str(live.id)]
    assert await listed(**mine, state="succeeded") == [str(done.id)]
    assert await listed(**mine, flagged="true") == [str(flagged.id)]
    assert await listed(**mine, flagged="false") == [str(done.id), str(live.id)]
    assert await listed(**mine, service="text-to-image") == await listed(**mine)
    assert await listed(**mine, service="image-to-video") == []
    assert str(elsewhere.id) in await listed(state="queued")
    first = await operator.ask("GET", "/jobs", params=mine | {"limit": 2})
    assert (await operator.ask("GET", "/jobs", params=mine | {"after": first["next"]}))["next"] is None
    assert await listed(**mine, after=first["next"]) == [str(live.id)]


async def test_a_job_is_cancelled_once_and_refunded(operator: Operator, database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4")

    answers = [await operator.ask("POST", f"/jobs/{job.id}/cancel") for _ in range(2)]

    assert answers == [{"success": True, "job_id": str(job.id), "state": "cancelled"}] * 2
    assert await balance_of(database, tenant) == view("10")
    acts = (await operator.ask("GET", "/acts", params={"limit": 2}))["items"]
    assert [act["act"] for act in acts if act["subject"] == str(job.id)] == ["job.cancel"]


async def test_a_job_that_has_ended_stays_as_it_ended(operator: Operator, database: Database) -> None:
    job = await make_job(database, await make_tenant(database), kind=HoldKind.DEFERRED)
    async with database.transaction() as db:
        await fail(db, job, reason="broken", error="It broke")

    assert (await operator.ask("POST", f"/jobs/{job.id}/cancel"))["state"] == "failed"
    assert (await operator.last_act())["act"] != "job.cancel"


# Ledger, rates, audit


async def test_the_ledger_is_read_page_by_page(operator: Operator, database: Database) -> None:
    tenant = await make_tenant(database, "10")
    jobs = [await make_job(database, tenant, "1") for _ in range(3)]
    await make_job(database, await make_tenant(database))
    mine = {"account_id": str(tenant.account_id)}

    first = await operator.ask("GET", "/ledger", params=mine | {"limit": 2})
    second = await operator.ask("GET", "/ledger", params=mine | {"limit": 2, "after": first["next"]})

    assert [item["job_id"] for item in first["items"] + second["items"]] == [
        str(jobs[2].id), str(jobs[1].id), str(jobs[0].id), None
    ]
    assert second["next"] is None
    newest = first["items"][0]
    assert (newest["kind"], newest["amount"], newest["balance_after"]) == ("debit", -1.0, 7.0)
    everything = await operator.ask("GET", "/ledger", params={"limit": 200})
    assert len(everything["items"]) > 5
    assert [it["entry_id"] for it in everything["items"]] == sorted(
        (it["entry_id"] for it in everything["items"]), reverse=True
    )


async def test_a_rate_is_changed_for_what_comes(operator: Operator, database: Database) -> None:
    secret = await make_key(database, (await make_tenant(database)).account_id)

    async def price() -> float:
        answer = await operator.http.post(
            "/api/v1/text-to-image/generate?dry_run=true", json={"prompt": "a boat"},
            headers={"Authorization": f"Bearer {secret}"},
        )
        return float(answer.json()["credits"])

    async def rate() -> dict[str, Any]:
        rates: list[dict[str, Any]] = (await operator.ask("GET", "/rates"))["items"]
        return next(it for it in rates if (it["service"], it["name"]) == ("text-to-image", "job"))

    before = await rate()
    assert (await price(), before["value"], before["default"], before["changed_at"]) == (1.0, 1.0, 1.0, None)
    set_ = await operator.ask("PUT", "/rates/text-to-image/job", json={"value": 1.25})
    assert (set_["service"], set_["name"], set_["value"]) == ("text-to-image", "job", 1.25)
    after = await rate()
    assert (await price(), after["value"], after["default"]) == (1.25, 1.25, 1.0)
    assert is_recent(after["changed_at"])
    act = await operator.last_act()
    assert (act["act"], act["subject"]) == ("rate.set", "text-to-image/job")
    assert act["detail"] == {"value": "1.25", "default": "1.0", "version": set_["version"]}
    again = await operator.ask("PUT", "/rates/text-to-image/job", json={"value": 1})
    assert again["version"] > set_["version"]
    assert await price() == 1.0


async def test_a_rate_that_is_none_or_nobodys_is_refused(operator: Operator) -> None:
    assert (await operator.refused("PUT", "/rates/text-to-image/job", 422, json={"value": -1})).startswith("value: ")
    for path in ("/rates/text-to-image/page", "/rates/text-to-imge/job"):
        assert (await operator.refused("PUT", path, 404, json={"value": 1})).startswith("There is no rate ")


async def test_acts_are_read_page_by_page(operator: Operator, account: dict[str, Any]) -> None:
    for number in range(3):
        await operator.ask("POST", f"/accounts/{account['account_id']}/keys", json={"name": str(number)})

    first = await operator.ask("GET", "/acts", params={"limit": 2})
    second = await operator.ask("GET", "/acts", params={"limit": 2, "after": first["next"]})

    assert [act["detail"].get("name") for act in first["items"] + second["items"]] == ["2", "1", "0", "A class"]


async def test_the_audit_says_what_it_looked_at_and_what_breaks(operator: Operator, database: Database) -> None:
    tenant = await make_tenant(database, "10")

    clean = await operator.ask("GET", "/audit")
    async with database.transaction() as db:
        await db.execute(
            text("UPDATE key_budgets SET spent = 3 WHERE key_id = :key"), {"key": tenant.key_id}
        )
    broken = await operator.ask("GET", "/audit")
    async with database.transaction() as db:
        await db.execute(
            text("UPDATE key_budgets SET spent = 0 WHERE key_id = :key"), {"key": tenant.key_id}
        )

    assert clean["is_clean"]
    assert clean["violations"] == []
    assert min(clean["accounts"], clean["entries"], clean["balance"]) > 0
    assert not broken["is_clean"]
    assert broken["violations"] == [{
        "rule": "key_spending_matches_holds", "subject": str(tenant.key_id), "detail": "spent 3.000000000, holds 0"
    }]


# What there is not


@pytest.mark.parametrize("id_", [NOWHERE, "nothing", "0", "%00"])
@pytest.mark.parametrize(("method", "path", "body", "message"), [
    ("GET", "/accounts/{}", None, "No such account"),
    ("POST", "/accounts/{}/grants", {"credits": 1}, "No such account"),
    ("POST", "/accounts/{}/corrections", {"credits": 1, "note": "x"}, "No such account"),
    ("POST", "/accounts/{}/keys", {"name": "x"}, "No such account"),
    ("GET", "/accounts/{}/keys", None, "No such account"),
    ("GET", "/keys/{}", None, "No such key"),
    ("PATCH", "/keys/{}", {"name": "x"}, "No such key"),
    ("DELETE", "/keys/{}", None, "No such key"),
    ("GET", "/jobs/{}", None, "No such job"),
    ("POST", "/jobs/{}/cancel", None, "No such job"),
])
async def test_what_is_not_there_is_not_found(
    operator: Operator, method: str, path: str, *, body: Any, message: str, id_: str
) -> None:
    assert await operator.refused(method, path.format(id_), 404, json=body) == message


@pytest.mark.parametrize("query", [
    "/accounts?limit=0", "/accounts?limit=201", "/accounts?after=x", "/accounts?email=%00@x", "/jobs?state=lost",
    "/jobs?service=%00", "/jobs?flagged=perhaps", "/ledger?after=x", f"/ledger?after={2**63}", "/acts?after=0",
])
async def test_a_query_is_checked(operator: Operator, query: str) -> None:
    await operator.refused("GET", query, 422)
