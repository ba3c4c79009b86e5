"""The report: every kind of job done once, and every figure beside the providers' own books, to the last digit."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from app.cli import main
from app.config import Settings, get_settings
from app.db.engine import Database
from app.embedded import Services
from app.jobs import queries
from app.jobs.states import AttemptOutcome
from app.providers.port import ProviderKey
from app.purses.days import DayView
from app.purses.readings import keep_reading
from app.services.broker import open_broker
from app.services.compare_purses import OVER_FOR, compare_purses
from app.services.report import make_report
from tests.asking import JsonObject, created, exact, made, post
from tests.conftest import fresh_database
from tests.examples import make_file, serve
from tests.factories import make_job, make_tenant
from tests.stack import Client, Stack, running_stack

PATIENCE_S = 20
# What a credit is sold for: figures in US dollars are easy to follow.
CREDIT_USD = Decimal("0.02")
KIE_CREDIT_USD = Decimal("0.005")
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


@contextmanager
def watched_stack(services: Services, template: str) -> Iterator[Stack]:
    """A stack that has looked into its purses once, and looks all the time."""
    with fresh_database(services, template) as name, running_stack(
        services, name, purse_look_s=0.1, credit_usd=CREDIT_USD, metrics_token="a-token-that-nobody-guesses",
    ) as running:
        until(lambda: len(report(running)["purses"]) == 2)
        yield running


@pytest.fixture(scope="module")
def stack(services: Services, template: str) -> Iterator[Stack]:
    """A stack that has done one job of each kind."""
    with watched_stack(services, template) as running:
        do_everything(running)
        yield running


@pytest.fixture
def fresh(services: Services, template: str) -> Iterator[Stack]:
    """A stack that has done nothing."""
    with watched_stack(services, template) as running:
        yield running


def until(condition: Callable[[], object]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def admin(stack: Stack) -> Client:
    return stack.client("0", scopes=["admin"])


def report(stack: Stack, query: str = "") -> JsonObject:
    answer = admin(stack).http.get(f"/api/v1/admin/report{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def do_everything(stack: Stack) -> None:
    """One job of each kind, and of KIE's jobs API one that fails and one that is cancelled too late."""
    client = stack.client("100")
    made(client, "text-to-image", {"prompt": "a boat"}, verb="generate")
    made(client, "text-to-image", {"prompt": "a boat [[sandbox:fail]]"}, verb="generate")
    made(client, "text-to-music", {"prompt": "a boat"}, verb="generate")
    made(client, "text-to-speech", {"prompt": "Good morning, and welcome on board."}, verb="generate")
    made(client, "text-to-speech", {"prompt": "Nothing. [[sandbox:no-file]]"}, verb="generate")
    sound = serve(stack, "interview.mp3", make_file(".mp3"))
    job = created(client, "/media/transcribe", {"media_url": sound})
    until(lambda: client.http.get(f"/api/v1/media/status/{job['job_id']}").json()["completed_at"])
    assert post(client, "/phaya-gpt/chat/completions", CHAT).status_code == 200
    late = created(client, "/veo31-video/create", {"prompt": "a boat [[sandbox:slow=60]]"})
    until(lambda: stack.rows("SELECT id FROM jobs WHERE id = :id AND state = 'running'", id=late["job_id"]))
    assert post(client, f"/veo31-video/cancel/{late['job_id']}", {}).status_code == 200


def service(stack: Stack, name: str) -> JsonObject:
    (found,) = [it for it in report(stack)["services"] if it["service"] == name]
    return dict(found)


def paid(stack: Stack, provider: str) -> Decimal:
    """What the provider's own books say that we have spent there."""
    totals = stack.control("GET", "books")["totals"]
    return sum((Decimal(str(total["cost"])) for total in totals if total["provider"] == provider), Decimal(0))


# What each job cost


@pytest.mark.parametrize(("name", "jobs", "figures"), [
    # KIE says what it took, and takes nothing for what fails.
    ("text-to-image", (1, 1, 0), {"credits": "1", "cost": "0.8", "lost": "0", "by_list": "0"}),
    # Its older routes name no cost: that of the list.
    ("text-to-music", (1, 0, 0), {"credits": "3", "cost": "12", "lost": "0", "by_list": "1"}),
    # What is cancelled too late is made, and paid, for nobody.
    ("veo31-video", (0, 0, 1), {"credits": "0", "cost": "60", "lost": "60", "by_list": "1"}),
])
def test_tasks_of_kie_cost_what_it_says_or_lists(
    stack: Stack, name: str, jobs: tuple[int, int, int], figures: dict[str, str]
) -> None:
    told = service(stack, name)
    earned = Decimal(figures["credits"]) * CREDIT_USD
    cost, lost = [Decimal(figures[name]) * KIE_CREDIT_USD for name in ("cost", "lost")]

    assert (told["provider"], told["succeeded"], told["failed"], told["cancelled"]) == ("kie", *jobs)
    assert {name: exact(told[name]) for name in ("credits", "cost", "by_list")} == {
        name: Decimal(figures[name]) for name in ("credits", "cost", "by_list")
    }
    assert {name: exact(told[name]) for name in ("earned_usd", "cost_usd", "margin_usd", "lost_usd")} == {
        "earned_usd": earned, "cost_usd": cost, "margin_usd": earned - cost, "lost_usd": lost
    }
    assert told["unknown"] == 0


@pytest.mark.parametrize(("name", "provider"), [("text-to-speech", "gemini"), ("phaya-gpt", "openrouter")])
def test_calls_cost_what_the_providers_books_say(stack: Stack, name: str, provider: str) -> None:
    told = service(stack, name)

    assert exact(told["cost"]) == exact(told["cost_usd"]) == paid(stack, provider) > 0
    assert (told["by_list"], told["unknown"]) == (0, 0)


def test_speech_that_failed_is_paid_all_the_same(stack: Stack) -> None:
    attempts = stack.rows("""SELECT a.outcome, a.cost FROM job_attempts a JOIN jobs j ON j.id = a.job_id
                              WHERE j.service = 'text-to-speech' AND j.state = 'failed'""")

    assert attempts
    assert {attempt["outcome"] for attempt in attempts} == {"failed"}
    assert exact(service(stack, "text-to-speech")["lost_usd"]) == sum(attempt["cost"] for attempt in attempts) > 0


def test_hearing_costs_its_seconds(stack: Stack) -> None:
    (call,) = stack.rows("SELECT output, cost FROM job_attempts WHERE provider = 'whisper'")

    told = service(stack, "transcribe")

    assert call["cost"] == round(Decimal(str(call["output"]["duration"])) * Decimal("0.0015") / 60, 9)
    assert exact(told["cost_usd"]) == call["cost"]
    assert abs(call["cost"] - paid(stack, "whisper")) < Decimal("0.000001")


def test_the_sums_are_those_of_the_services(stack: Stack) -> None:
    told = report(stack)

    for figure in ("earned_usd", "cost_usd", "margin_usd"):
        assert exact(told[figure]) == sum(exact(it[figure]) for it in told["services"])
    assert (told["unclear"], told["flagged"]) == (0, 0)


def test_what_is_below_cost_is_named_by_the_rates_in_force(stack: Stack) -> None:
    operator = admin(stack)

    def below(rate: str) -> object:
        assert operator.http.put("/api/v1/admin/rates/kling-motion-control/1080p", json={"value": rate}).is_success
        return service(stack, "kling-motion-control")["below_cost"]

    assert below("4.49") == ["720p", "1080p"]
    assert below("4.5") == ["720p"]


def test_the_report_is_of_its_time(stack: Stack) -> None:
    operator = admin(stack)

    assert all(it["succeeded"] == 0 and it["below_cost"] for it in report(
        stack, "?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z"
    )["services"])
    for query in ("since=2020-01-02T00:00:00Z&until=2020-01-02T00:00:00Z", "since=yesterday",
                  "since=2020-01-01T00:00:00"):
        assert operator.http.get(f"/api/v1/admin/report?{query}").status_code == 422
    assert stack.client("0").http.get("/api/v1/admin/report").status_code == 403


def test_the_command_prints_what_rest_answers(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    get_settings.cache_clear()
    env = {"PHAYA_DATABASE_URL": str(stack.settings.database_url), "PHAYA_ENVIRONMENT": "embedded",
           "PHAYA_CREDIT_USD": str(CREDIT_USD)}

    told = CliRunner().invoke(main, ["report", "--json"], env=env, catch_exceptions=False)
    page = CliRunner().invoke(main, ["report", "--since", "2026-01-01"], env=env, catch_exceptions=False).stdout

    assert json.loads(told.stdout)["services"] == report(stack)["services"]
    rows = [" ".join(line.split()) for line in page.splitlines()]
    assert "text-to-music kie 1 0 0 3 0.06 12 0.06 0 0 1 0 -" in rows
    assert "0 jobs are unclear, 0 flagged" in page
    get_settings.cache_clear()


def test_the_figures_are_metrics(stack: Stack) -> None:
    header = {"Authorization": "Bearer a-token-that-nobody-guesses"}
    page = admin(stack).http.get("/metrics", headers=header).text
    key = ProviderKey.of(stack.settings.kie_api_keys[0]).fingerprint

    for line in ('phaya_day_jobs{service="text-to-image",state="succeeded"} 1.0',
                 'phaya_day_credits{service="text-to-music"} 3.0',
                 'phaya_day_usd{figure="lost",service="veo31-video"} 0.3',
                 'phaya_rates_below_cost{service="gpt-image-2-text-to-image"} 3.0',
                 f'phaya_purse_least{{key="{key}",provider="kie"}} 1000.0',
                 "phaya_jobs_unclear 0.0"):
        assert line in page


# The purses


def purse(stack: Stack, provider: str) -> JsonObject:
    (found,) = [it for it in report(stack)["purses"] if it["provider"] == provider]
    return dict(found)


def settled(stack: Stack, provider: str, left: Decimal) -> JsonObject:
    """The provider's purse once it was seen to have this much."""
    until(lambda: exact(purse(stack, provider)["left"]) == left)
    return purse(stack, provider)


def set_left(stack: Stack, left: Decimal) -> None:
    order = {"provider": "kie", "key": stack.settings.kie_api_keys[0], "left": float(left)}
    stack.control("POST", "purse", json=order)


@pytest.mark.parametrize(("provider", "start", "least"), [("kie", "1000000", 1_000), ("openrouter", "10000", 1)])
def test_our_books_agree_with_the_purse(stack: Stack, provider: str, start: str, least: int) -> None:
    told = settled(stack, provider, Decimal(start) - paid(stack, provider))

    assert exact(told["lost"]) == exact(told["booked"]) == paid(stack, provider) > 0
    assert (told["drift"], told["least"], told["is_low"]) == (0, least, False)
    assert told["since"] < told["until"] <= told["seen_at"]


def test_what_somebody_else_spends_is_drift_and_what_is_filled_in_is_not(fresh: Stack) -> None:
    set_left(fresh, Decimal("999992.75"))
    drifted = settled(fresh, "kie", Decimal("999992.75"))
    set_left(fresh, Decimal(2_000_000))
    filled = settled(fresh, "kie", Decimal(2_000_000))
    made(fresh.client("10"), "text-to-image", {"prompt": "a boat"}, verb="generate")
    spent = settled(fresh, "kie", Decimal("1999999.2"))
    set_left(fresh, Decimal("999.5"))
    low = settled(fresh, "kie", Decimal("999.5"))

    assert [exact(it["drift"]) for it in (drifted, filled, spent)] == [Decimal("7.25")] * 3
    assert [exact(it["booked"]) for it in (drifted, filled, spent)] == [0, 0, Decimal("0.8")]
    assert (drifted["is_low"], low["is_low"]) == (False, True)


async def test_a_day_that_is_over_is_compared_once(settings: Settings, database: Database) -> None:
    ends = (datetime.now(UTC) - OVER_FOR).replace(hour=0, minute=0, second=0, microsecond=0)
    tenant = await make_tenant(database)

    async def read(left: str, at: datetime) -> None:
        async with database.statement() as db:
            await keep_reading(db, provider="kie", fingerprint="a", left=Decimal(left), spent=None, at=at)

    async def spend(cost: str, at: datetime) -> None:
        job = await make_job(database, tenant)
        async with database.transaction() as db:
            attempt = await queries.add_attempt(db, job, provider="kie", provider_key="a", secret_hash=None)
            await queries.answer_attempt(db, attempt.id, AttemptOutcome.DONE, cost=Decimal(cost))
            await db.execute(text("UPDATE job_attempts SET created_at = :at WHERE id = :id"),
                             {"at": at, "id": attempt.id})

    hour = timedelta(hours=1)
    await spend("100", ends - 25 * hour)  # The day before.
    await read("1000", ends - 25 * hour)
    await read("1000", ends - 24 * hour)
    await spend("8", ends - 20 * hour)
    await read("992", ends - 19 * hour)
    await spend("5.5", ends - 2 * hour)
    await read("986", ends - hour)
    await read("900", ends + hour)  # The day after.

    async with open_broker(settings) as broker:
        await compare_purses(broker)
        await spend("3", ends - 2 * hour)
        await compare_purses(broker)
        told = await make_report(database, settings, since=ends - 24 * hour, until=ends + 2 * hour)

    assert told.days == [DayView((ends - hour).date(), "kie", "a", Decimal(14), Decimal("13.5"))]
    assert told.days[0].drift == Decimal("0.5")
