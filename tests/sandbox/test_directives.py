"""What the stand-ins do when a prompt tells them to misbehave."""

import httpx
import pytest

from app.sandbox.directives import BadDirective, Directives, directives_in, parse_words, without_directives
from tests.sandbox.driving import Client, Mailbox, fetch, until


def test_words_are_read_back_as_written() -> None:
    asked = directives_in("a cat [[sandbox:slow=1.5]] and [[sandbox:fail]] [[sandbox:cost=0.25]]")

    assert asked.words() == ["fail", "slow=1.5", "cost=0.25"]
    assert parse_words(asked.words()) == asked
    assert directives_in("at once [[sandbox:slow=0]]").words() == ["slow=0.0"]
    assert without_directives("a [[sandbox:fail]]cat") == "a cat"
    assert directives_in("a cat") == Directives()


@pytest.mark.parametrize(
    "text",
    ["[[sandbox:fial]]", "[[sandbox:slow]]", "[[sandbox:slow=soon]]", "[[sandbox:fail=1]]", "[[sandbox:code=200]]",
     "[[sandbox:cost=many]]", "[[sandbox:usage=full]]", "[[sandbox:tokens=-1]]", "[[sandbox:]]"],
)
def test_a_misspelt_directive_is_an_error(text: str) -> None:
    with pytest.raises(BadDirective):
        directives_in(text)


def test_a_misspelt_directive_refuses_the_request(client: Client) -> None:
    assert client.create(prompt="[[sandbox:fial]]") == {
        "code": 422, "msg": "unknown sandbox directive: fial", "data": None,
    }
    assert client.chat("[[sandbox:fial]]").status_code == 422


@pytest.mark.parametrize("code", [429, 455, 500, 501])
def test_a_code_refuses_the_create_in_http_200(client: Client, code: int) -> None:
    before = client.kie("GET", "chat/credit")["data"]

    assert client.create(prompt=f"[[sandbox:code={code}]]")["code"] == code
    assert client.kie("GET", "chat/credit")["data"] == before


@pytest.mark.parametrize("status", [500, 503])
def test_http_refuses_with_the_status(client: Client, status: int) -> None:
    body = {"model": "z-image", "input": {"prompt": f"[[sandbox:http={status}]]", "aspect_ratio": "1:1"}}

    assert client.http.post("/kie/api/v1/jobs/createTask", json=body).status_code == status


def lost_task(client: Client, text: str) -> dict[str, str]:
    """The one task whose prompt holds the text, from the books."""
    tasks = client.control("GET", "books")["tasks"]
    found = [task for task in tasks if text in task["prompt"]]
    assert len(found) == 1
    return dict(found[0])


@pytest.mark.parametrize("directive", ["lost-answer", "lost-answer-no-callback"])
def test_a_lost_answer_is_work_that_was_accepted(client: Client, mailbox: Mailbox, directive: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.create(prompt=f"mark-{directive}. [[sandbox:{directive}]]", callback=mailbox.url)
    task = lost_task(client, f"mark-{directive}.")
    client.finished(task["id"])
    second = client.task(callback=mailbox.url)
    until(lambda: second in [letter.body["data"]["taskId"] for letter in mailbox.letters])
    called = task["id"] in [letter.body["data"]["taskId"] for letter in mailbox.letters]

    assert called == (directive == "lost-answer")
    assert client.control("GET", "requests", params={"task_id": task["id"]})["requests"][0]["answer"] == "lost"


def test_bad_json_is_work_that_was_accepted(client: Client) -> None:
    body = {"model": "z-image", "input": {"prompt": "mark-cut [[sandbox:bad-json]]", "aspect_ratio": "1:1"}}
    response = client.http.post("/kie/api/v1/jobs/createTask", json=body)

    assert response.status_code == 200
    with pytest.raises(ValueError, match="line 1"):
        response.json()
    assert client.finished(lost_task(client, "mark-cut")["id"])["state"] == "success"


def test_stall_holds_the_answer_back(client: Client) -> None:
    body = {"model": "z-image", "input": {"prompt": "mark-stall [[sandbox:stall=0.5]]", "aspect_ratio": "1:1"}}
    with pytest.raises(httpx.ReadTimeout):
        client.http.post("/kie/api/v1/jobs/createTask", json=body, timeout=0.2)
    assert lost_task(client, "mark-stall")


def test_a_hidden_task_is_not_known_yet(client: Client) -> None:
    task_id = client.task(prompt="[[sandbox:hidden=0.2]]")

    assert client.record(task_id)["msg"] == "recordInfo is null"
    until(lambda: client.record(task_id)["code"] == 200)


def test_success_without_a_file(client: Client) -> None:
    record = client.finished(client.task(prompt="[[sandbox:no-file]]"))

    assert (record["state"], record["resultJson"]) == ("success", '{"resultUrls":[]}')


def test_files_that_are_wrong_expired_or_cut(client: Client) -> None:
    wrong, expired, cut = (
        client.result_urls(client.task(prompt=f"[[sandbox:{word}]]"))[0]
        for word in ("wrong-file", "expired-file", "cut-file")
    )

    assert "text/html" in fetch(wrong).headers["content-type"]
    assert fetch(expired).status_code == 404
    with pytest.raises(httpx.RemoteProtocolError):
        fetch(cut)


def test_a_failed_task_says_so(client: Client) -> None:
    record = client.finished(client.task(prompt="[[sandbox:fail]]"))

    assert (record["state"], record["failCode"], record["resultJson"]) == ("fail", "500", None)
