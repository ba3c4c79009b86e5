"""The operator's commands against a real database: what they do, print, and say when they cannot."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result
from sqlalchemy import text

from app.accounts.keys import ALL_SERVICES, find_keys, hash_secret
from app.accounts.listing import list_acts
from app.accounts.models import AdminAct
from app.cli import main
from app.commands import operator
from app.commands.job import STATES
from app.config import Settings, get_settings
from app.db.engine import Database
from app.db.ids import new_id
from app.embedded import Services, announcement
from app.jobs import queries
from app.jobs.states import AttemptOutcome, JobState, move
from app.services.end_job import fail
from tests.books import balance_of, view
from tests.factories import Tenant, make_job, make_tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def database(module_pool: Database) -> Database:
    return module_pool


class Terminal:
    """Where the operator types. Commands open event loops of their own, so each runs in a thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        self.env: dict[str, str] = {}

    async def type(self, *words: str) -> Result:
        def work() -> Result:
            get_settings.cache_clear()
            return CliRunner().invoke(main, words, env=self.env, catch_exceptions=False)

        return await asyncio.to_thread(work)

    async def printed(self, *words: str, code: int = 0) -> str:
        result = await self.type(*words)
        assert result.exit_code == code, result.output
        return result.stdout

    async def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(await self.printed(*words, "--json", code=code))

    async def refused(self, *words: str) -> str:
        """The one line of a refusal."""
        result = await self.type(*words)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith("Error: ")
        assert "Traceback" not in result.output
        return result.stderr.removeprefix("Error: ").strip()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module_settings: Settings) -> Terminal:
    terminal = Terminal(monkeypatch, tmp_path)
    terminal.env = {"PHAYA_DATABASE_URL": str(module_settings.database_url), "PHAYA_ENVIRONMENT": "embedded"}
    return terminal


@pytest.fixture
def last_act(database: Database) -> Callable[[], Any]:
    async def read() -> AdminAct:
        async with database.statement() as db:
            return (await list_acts(db, limit=1))[0]

    return read


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, "10")


def lines(printed: str) -> list[list[str]]:
    """A table's cells; none of the tests' values holds two spaces."""
    return [[cell for cell in line.split("  ") if cell] for line in printed.splitlines()]


# Accounts and keys


async def test_an_account_is_opened_shown_and_listed(terminal: Terminal, last_act: Callable[[], Any]) -> None:
    email = f"{new_id()}@example.org"

    made = await terminal.printed("account", "create", email, "--name", "A class")
    shown = await terminal.printed("account", "show", email)
    listed = await terminal.printed("account", "list", "--limit", "1")

    assert made == shown
    fields = dict(line.split(None, 1) for line in made.splitlines())
    assert (fields["email"], fields["name"], fields["credits_balance"]) == (email, "A class", "0")
    header, row = lines(listed)
    assert [cell.strip() for cell in header] == ["ACCOUNT", "EMAIL", "NAME", "BALANCE", "AVAILABLE", "CREATED"]
    assert [cell.strip() for cell in row][:5] == [fields["account_id"], email, "A class", "0", "0"]
    by_id = await terminal.json("account", "show", fields["account_id"])
    assert by_id == await terminal.json("account", "show", email)
    assert (by_id["account_id"], by_id["available"]) == (fields["account_id"], 0.0)
    act = await last_act()
    assert (act.actor, act.act, act.subject) == ("cli", "account.create", fields["account_id"])


async def test_lists_are_read_page_by_page(terminal: Terminal, database: Database) -> None:
    made = [str((await make_tenant(database)).account_id) for _ in range(3)][::-1]

    first = await terminal.type("account", "list", "--limit", "2", "--json")
    second = await terminal.json("account", "list", "--limit", "1", "--after", made[1])
    plain = await terminal.type("account", "list", "--limit", "2")

    assert [it["account_id"] for it in json.loads(first.stdout)["items"] + second["items"]] == made
    assert json.loads(first.stdout)["next"] == made[1]
    assert plain.stderr.strip() == f"2 shown; the next page: --after {made[1]}"


async def test_a_key_is_made_listed_and_revoked(
    terminal: Terminal, database: Database, tenant: Tenant, last_act: Callable[[], Any]
) -> None:
    made = await terminal.json(
        "key", "create", str(tenant.account_id), "--name", "Laptop", "--scope", "image", "--scope", "account:read",
        "--credit-limit", "2.5", "--expires", "2100-01-01", "--address", "10.0.0.0/8", "--rate", "7",
    )

    async with database.statement() as db:
        digest = hash_secret(made["key"])
        kept = (await find_keys(db, [digest]))[digest]
    assert (kept.scopes, kept.rate_per_minute) == (frozenset({"image", "account:read"}), 7)
    expires_at = datetime.now(UTC) + timedelta(seconds=kept.lives_s)
    assert abs(expires_at - datetime(2100, 1, 1, tzinfo=UTC)) < timedelta(minutes=1)
    assert kept.admits("10.1.2.3")
    assert (made["credit_limit"], made["hint"]) == (2.5, made["key"][:7])
    listed = await terminal.printed("key", "list", str(tenant.account_id))
    assert "Laptop" in listed
    assert made["key"] not in listed
    assert (await terminal.json("key", "list", str(tenant.account_id)))["items"][0]["key_id"] == made["key_id"]

    revoked = await terminal.printed("key", "revoke", made["key_id"])

    assert f"key_id           {made['key_id']}" in revoked
    assert (await last_act()).act == "key.revoke"
    async with database.statement() as db:
        assert await find_keys(db, [digest]) == {}


async def test_a_key_is_for_everything_but_admin_by_itself(terminal: Terminal, tenant: Tenant) -> None:
    printed = await terminal.printed("key", "create", str(tenant.account_id), "--name", "All")

    fields = dict(line.split(None, 1) for line in printed.splitlines())
    assert fields["scopes"].split() == list(ALL_SERVICES)
    assert fields["key"].startswith("pk_")
    assert fields["credit_limit"] == "-"


# Credits


async def test_credits_are_granted_corrected_and_seen(
    terminal: Terminal, database: Database, tenant: Tenant, last_act: Callable[[], Any]
) -> None:
    granted = await terminal.printed("grant", str(tenant.account_id), "0.000466", "--note", "Welcome")
    corrected = await terminal.json("correct", str(tenant.account_id), "-4.5", "--note", "Granted twice")
    seen = await terminal.printed("ledger", str(tenant.account_id))

    assert "credits_balance  10.000466" in granted
    assert (corrected["kind"], corrected["credits"], corrected["credits_balance"]) == ("correction", -4.5, 5.500466)
    assert await balance_of(database, tenant) == view("5.500466")
    assert [[cell.strip() for cell in row][3:6] for row in lines(seen)[1:]] == [
        ["correction", "-4.5", "5.500466"], ["topup", "0.000466", "10.000466"], ["topup", "10", "10"]
    ]
    act = await last_act()
    assert (act.actor, act.act, act.detail["note"]) == ("cli", "credits.correct", "Granted twice")
    page = await terminal.json("ledger", str(tenant.account_id), "--limit", "2")
    assert len((await terminal.json("ledger", "--limit", "2"))["items"]) == 2
    rest = await terminal.json("ledger", str(tenant.account_id), "--after", str(page["next"]))
    assert [it["amount"] for it in rest["items"]] == [10.0]


async def test_a_grant_run_again_with_its_key_is_one_grant(
    terminal: Terminal, database: Database, tenant: Tenant
) -> None:
    words = ("grant", str(tenant.account_id), "5", "--key", "march")

    first, again = await terminal.type(*words), await terminal.type(*words)

    assert first.stdout == again.stdout
    assert "made before" in again.stderr
    assert await balance_of(database, tenant) == view("15")


# Jobs


async def test_jobs_are_listed_shown_and_cancelled(
    terminal: Terminal, database: Database, tenant: Tenant, last_act: Callable[[], Any]
) -> None:
    lost, live = [await make_job(database, tenant, "4") for _ in range(2)]
    async with database.transaction() as db:
        await move(db, lost.id, source=JobState.QUEUED, target=JobState.SUBMITTING)
        attempt = await queries.add_attempt(db, lost, provider="kie", provider_key="abcd", secret_hash=None)
        await queries.answer_attempt(db, attempt.id, AttemptOutcome.LOST, task_id="t-1", cost=Decimal("0.5"))
        await fail(db, (await queries.load(db, [lost.id]))[0], reason="unclear", error="Lost", is_flagged=True)
    account = str(tenant.account_id)

    async def listed(*words: str) -> list[str]:
        return [row[0] for row in lines(await terminal.printed("job", "list", "--account", account, *words))[1:]]

    assert await listed() == [str(live.id), str(lost.id)]
    assert await listed("--flagged") == await listed("--state", "failed") == [str(lost.id)]
    assert await terminal.printed("job", "list", "--account", account, "--service", "image-to-video") == "none\n"
    assert (await terminal.json("job", "list", "--account", account, "--limit", "1"))["next"] == str(live.id)
    shown = await terminal.printed("job", "show", str(lost.id))
    assert "reason        unclear" in shown
    assert "is_flagged    yes" in shown
    for part in ("Moves", "submitting", "Paid calls", "t-1", "Holds", "released"):
        assert part in shown
    assert (await terminal.json("job", "show", str(lost.id)))["attempts"][0]["cost"] == 0.5
    assert await terminal.printed("job", "cancel", str(live.id)) == "The job is cancelled\n"
    assert (await terminal.json("job", "cancel", str(lost.id)))["state"] == "failed"
    assert await balance_of(database, tenant) == view("10")
    assert ((await last_act()).act, (await last_act()).subject) == ("job.cancel", str(live.id))


async def test_the_states_that_may_be_asked_for_are_all(terminal: Terminal) -> None:
    assert tuple(JobState) == STATES


# Rates, acts, audit


async def test_a_rate_is_changed(terminal: Terminal, last_act: Callable[[], Any]) -> None:
    said = await terminal.printed("rate", "set", "text-to-image", "job", "1.25")
    listed = await terminal.printed("rate", "list")
    back = await terminal.json("rate", "set", "text-to-image", "job", "1")

    assert said.startswith("text-to-image job is 1.25 credits, as version ")
    assert ["text-to-image", "job", "1.25", "1"] in [[cell.strip() for cell in row][:4] for row in lines(listed)]
    assert (back["value"], (await last_act()).actor) == (1.0, "cli")
    rates = {(it["service"], it["name"]): it for it in (await terminal.json("rate", "list"))["items"]}
    assert rates["text-to-image", "job"]["value"] == 1.0


async def test_acts_are_read(terminal: Terminal, tenant: Tenant) -> None:
    await terminal.printed("grant", str(tenant.account_id), "5", "--note", "For the acts")

    printed = await terminal.printed("acts", "--limit", "1")
    [act] = (await terminal.json("acts", "--limit", "1"))["items"]

    assert [cell.strip() for cell in lines(printed)[0]] == ["ACT", "AT", "ACTOR", "WHAT", "SUBJECT", "DETAIL"]
    assert (act["actor"], act["act"], act["subject"]) == ("cli", "credits.grant", str(tenant.account_id))


async def test_the_audit_says_what_it_counted_or_what_breaks(
    terminal: Terminal, database: Database, tenant: Tenant
) -> None:
    spent = text("UPDATE key_budgets SET spent = :spent WHERE key_id = :key")

    clean = await terminal.printed("audit")
    async with database.transaction() as db:
        await db.execute(spent, {"spent": 3, "key": tenant.key_id})
    broken = await terminal.printed("audit", code=1)
    machine = await terminal.json("audit", code=1)
    async with database.transaction() as db:
        await db.execute(spent, {"spent": 0, "key": tenant.key_id})

    assert " rules hold\n" in clean
    assert " accounts with " in clean
    assert "key_spending_matches_holds" in broken
    assert str(tenant.key_id) in broken
    assert " rules hold" not in broken
    assert (machine["is_clean"], machine["violations"][0]["subject"]) == (False, str(tenant.key_id))


# Refusals


@pytest.mark.parametrize(("words", "problem"), [
    (["account", "create", "no-address", "--name", "x"], "email: String should match pattern"),
    (["account", "show", "nobody@example.org"], "No account has the id or the e-mail 'nobody@example.org'"),
    (["account", "show", "01942f6e-4a35-7f0e-9a56-0f3a4f3c8f11"], "No such account"),
    (["key", "create", "nobody@example.org", "--name", "x"], "No account has"),
    (["key", "create", "nobody@example.org", "--name", "x", "--rate", "0"], "rate_per_minute: "),
    (["key", "revoke", "01942f6e-4a35-7f0e-9a56-0f3a4f3c8f11"], "No such key"),
    (["grant", "nobody@example.org", "0"], "credits: Input should be greater than 0"),
    (["grant", "nobody@example.org", "NaN"], "credits: Input should be a finite number"),
    (["correct", "nobody@example.org", "0", "--note", "x"], "credits: Value error, must not be 0"),
    (["job", "show", "01942f6e-4a35-7f0e-9a56-0f3a4f3c8f11"], "No such job"),
    (["job", "cancel", "01942f6e-4a35-7f0e-9a56-0f3a4f3c8f11"], "No such job"),
    (["rate", "set", "text-to-image", "page", "1"], "There is no rate 'page' of a service 'text-to-image'"),
])
async def test_a_refusal_is_one_line(terminal: Terminal, words: list[str], problem: str) -> None:
    assert (await terminal.refused(*words)).startswith(problem)


async def test_a_correction_below_nothing_and_a_scope_that_is_none_are_refused(
    terminal: Terminal, tenant: Tenant
) -> None:
    account = str(tenant.account_id)

    short = await terminal.refused("correct", account, "-11", "--note", "x")
    scope = await terminal.refused("key", "create", account, "--name", "x", "--scope", "imges")

    assert short == "Insufficient credits: 11.00 required, 10.00 available"
    assert scope.startswith("scopes: unknown scope 'imges'")


# The way to the database


async def test_the_stack_that_runs_here_is_found(terminal: Terminal, module_settings: Settings) -> None:
    terminal.env = {}
    operator.EMBEDDED_DATA.mkdir()
    env = {"PHAYA_DATABASE_URL": str(module_settings.database_url), "PHAYA_ENVIRONMENT": "embedded"}
    stack = announcement.Stack(api_url="", sandbox_url=None, admin_key="", demo_key="", env=env)
    announcement.write(stack, [operator.EMBEDDED_DATA / announcement.FILE])

    assert " rules hold" in await terminal.printed("audit")


async def test_without_a_database_the_setting_is_named(terminal: Terminal) -> None:
    terminal.env = {}

    said = await terminal.refused("audit")

    assert said.startswith("PHAYA_DATABASE_URL has no password or a default one")
    assert "Nor does `phaya up` run on .phaya here." in said


@pytest.mark.parametrize(("change", "problem"), [
    (lambda url: "postgresql+asyncpg://a:b@127.0.0.1:1/x", "The database at 127.0.0.1:1 does not answer: "),
    (lambda url: url.replace("//phaya_serving:", "//phaya_serving:not"), " does not answer: password authentication"),
    (lambda url: url + "_not", " does not answer: database "),
])
async def test_a_database_out_of_reach_is_said_to_be(
    terminal: Terminal, change: Callable[[str], str], problem: str
) -> None:
    terminal.env["PHAYA_DATABASE_URL"] = change(terminal.env["PHAYA_DATABASE_URL"])

    assert problem in await terminal.refused("account", "list")


async def test_a_database_that_was_not_migrated_is_said_to_be(terminal: Terminal, services: Services) -> None:
    terminal.env["PHAYA_DATABASE_URL"] = services.database_url

    assert (await terminal.refused("audit")).startswith("The database is not up to date, run `phaya migrate`: ")
