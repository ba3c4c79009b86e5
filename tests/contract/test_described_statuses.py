"""Every refusal that the description names for an operation can be had from it.

Those of money (402), of repeated requests (409) and of providers (502, 503) need a service's own circumstances: the
suites of the services and of language calls have them. Here are the others, of all operations.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.accounts.keys import ALL_SERVICES
from app.embedded import Services
from tests.conftest import fresh_database
from tests.described import description
from tests.stack import Client, Stack, anonymous, running_stack

NOBODY = "01942f6e-4a35-7f0e-9a56-0f3a4f3c8f11"
EVERYTHING = (*ALL_SERVICES, "admin")
JSON = {"Content-Type": "application/json"}
MOST = 1_000
TOO_LARGE = b"x" * (100 * MOST)
# A job that is one's own is forbidden, any other is not there: tests/integration/test_keys.py has these.
OF_A_JOB = "^/api/v1/(?!admin/)[^/]+/(status|cancel)/"
# What some route or other does not take, in its address or in its body.
WRONG = ("?limit=0", "?limit=x&since=x&after=x&page=0&page_size=0&n=x&state=x&kind=x")


# What some operation or other takes, for something that does not exist.
OF_NOTHING: tuple[dict[str, Any], ...] = (
    {"model": "nobody/knows", "messages": [{"role": "user", "content": "a"}]}, {"model": "nobody/knows", "input": "a"},
    {"credits": 1, "note": "a"}, {"name": "a"}, {"value": 1}, {"outcome": "failed", "note": "a"},
)


@dataclass(frozen=True)
class Operation:
    """A request that its example makes, with made-up ids."""

    method: str
    path: str
    body: Any
    is_upload: bool

    def ask(self, http: httpx.Client, *, query: str = "", **changes: Any) -> int:
        """The status of its answer."""
        sent = changes or ({} if self.body is None else {"json": self.body})
        return http.request(self.method, self.path + query, **sent).status_code


def operations() -> Iterator[tuple[Operation, set[str]]]:
    for path, methods in description()["paths"].items():
        for method, described in methods.items():
            content: dict[str, Any] = described.get("requestBody", {}).get("content", {})
            example = content.get("application/json", {})
            shown: list[dict[str, Any]] = list(example.get("examples", {}).values())
            body = example.get("example", shown[0]["value"] if shown else {}) if example else None
            filled = re.sub(r"{(\w+)}", lambda found: NOBODY, path)
            yield Operation(method.upper(), filled, body, "multipart/form-data" in content), set(described["responses"])


DESCRIBED = list(operations())


def of(status: str, *, but: str = "(?!)") -> "pytest.MarkDecorator":
    """All operations that name this status."""
    named = [it for it, statuses in DESCRIBED if status in statuses and not re.search(but, it.path)]
    assert named
    return pytest.mark.parametrize("operation", named, ids=[f"{it.method} {it.path}" for it in named])


@pytest.fixture(scope="module")
def whole(stack: Stack) -> Client:
    """Who may do everything, and has nothing."""
    return stack.client("0", scopes=EVERYTHING)


@pytest.fixture(scope="module")
def narrow(stack: Stack) -> Callable[[], Iterator[Client]]:
    """Who may do one thing: with one of these keys any route is out of reach."""
    keys = [stack.client("0", scopes=(scope,)) for scope in ("account:read", "image", "llm")]
    return lambda: iter(keys)


@of("401")
def test_without_a_key(stack: Stack, operation: Operation) -> None:
    with anonymous(stack.api_url) as http:
        assert operation.ask(http) == 401


@of("403", but=OF_A_JOB)
def test_without_the_right(narrow: Callable[[], Iterator[Client]], operation: Operation) -> None:
    assert 403 in [operation.ask(key.http) for key in narrow()]


@of("404")
def test_of_what_is_not_there(whole: Client, operation: Operation) -> None:
    asked = [operation.ask(whole.http), operation.ask(whole.http, query="?account_id=x")]
    asked += [operation.ask(whole.http, json=body) for body in OF_NOTHING]
    assert 404 in asked


@of("400")
def test_of_what_cannot_be_read(whole: Client, operation: Operation) -> None:
    broken = "multipart/form-data; boundary=b" if operation.is_upload else "application/json"
    assert operation.ask(whole.http, content=b"{", headers={"Content-Type": broken}) == 400


@of("422")
def test_of_what_is_wrong(whole: Client, operation: Operation) -> None:
    asked = [operation.ask(whole.http, query=query) for query in WRONG]
    asked += [operation.ask(whole.http, json=[]), operation.ask(whole.http, json={"no": "such"})]
    assert 422 in asked


@pytest.fixture(scope="module")
def tight(services: Services, template: str) -> Iterator[Client]:
    """The same where bodies have to be small."""
    with (
        fresh_database(services, template) as name,
        running_stack(services, name, body_limit_bytes=MOST, upload_limit_bytes=MOST) as stack,
    ):
        yield stack.client("0", scopes=EVERYTHING)


@of("413")
def test_of_too_much(tight: Client, operation: Operation) -> None:
    uploaded = {"files": {"file": ("a.png", TOO_LARGE)}}
    changes = uploaded if operation.is_upload else {"content": TOO_LARGE, "headers": JSON}
    assert operation.ask(tight.http, **changes) == 413


@of("429")
def test_too_often(stack: Stack, operation: Operation) -> None:
    hasty = stack.client("0", scopes=EVERYTHING, rate_per_minute=1)
    asked = [operation.ask(hasty.http) for _ in range(3)]
    assert asked[-1] == 429
