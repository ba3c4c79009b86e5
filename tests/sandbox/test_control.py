"""The control routes, and books that outlive the process."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.sandbox.server import running
from tests.sandbox.driving import FAST, Client, Connect, Mailbox, fetch, until


def test_a_queued_fault_bends_the_next_matching_requests_alone(client: Client) -> None:
    client.fault("code=455", count=2, provider="kie", route="createTask", model="nano-banana-2")

    assert client.create()["code"] == 200
    assert [client.create("nano-banana-2")["code"] for _ in range(3)] == [455, 455, 200]
    assert client.control("GET", "faults")["faults"] == []


def test_faults_reach_queries_files_uploads_and_the_model_list(client: Client) -> None:
    task_id = client.task()
    url = client.result_urls(task_id)[0]
    client.fault("code=500", route="recordInfo", model="z-image")
    client.fault("http=503", provider="files")
    client.fault("code=500", route="file-url-upload")
    client.fault("http=502", route="/models")

    assert client.record(task_id)["code"] == 500
    assert fetch(url).status_code == 503
    assert client.http.post("/kie/api/file-url-upload", json={}).json()["code"] == 500
    assert client.http.get("/openrouter/api/v1/models").status_code == 502
    assert client.record(task_id)["code"] == 200


@pytest.mark.parametrize(
    "order",
    [{"fault": "fial"}, {"fault": "fail", "count": 0}, {"fault": []}, {"match": {"path": "x"}, "fault": "fail"},
     {"x": 1}, []],
)
def test_a_fault_that_makes_no_sense_is_refused(client: Client, order: Any) -> None:
    response = client.http.post("/control/faults", json=order)

    assert (response.status_code, list(response.json())) == (422, ["error"])


def test_requests_can_be_filtered_and_followed(client: Client) -> None:
    task_id = client.task(prompt="find me")
    client.record(task_id)
    asked = client.control("GET", "requests", params={"task_id": task_id})["requests"]
    newer = client.control("GET", "requests", params={"task_id": task_id, "after": asked[0]["number"]})["requests"]

    routes = [one["route"].rpartition("/")[2] for one in asked]

    assert (routes, [one["answer"] for one in asked]) == (["createTask", "recordInfo"], ["200", "200"])
    assert (asked[0]["text"], asked[0]["model"]) == ("find me", "z-image")
    assert newer == asked[1:]
    assert client.http.get("/control/requests", params={"colour": "red"}).status_code == 422


def test_the_books_add_up(connect: Connect) -> None:
    with running(FAST) as url:
        client = connect(url, "key-one")
        for prompt in ("a", "b", "[[sandbox:fail]]"):
            client.task(prompt=prompt, callback="http://127.0.0.1:1/secret")
        client.create(prompt="[[sandbox:code=500]]")
        books = client.control("GET", "books")

        total = {"provider": "kie", "model": "z-image", "key": "key-one", "accepted": 3, "cost": 1.6}

        assert books["totals"] == [total]
        assert {task["callback_url"] for task in books["tasks"]} == {"http://127.0.0.1:1/secret"}
        assert {(one["answer"], one["count"]) for one in books["answers"]} == {("200", 3), ("500", 1)}
        assert "tasks" not in client.control("GET", "books", params={"details": "false"})


def test_a_real_key_is_not_shown_whole(connect: Connect) -> None:
    with running(FAST) as url:
        key = "sk-or-v1-" + "a" * 60 + "wxyz"
        client = connect(url, key)
        client.task()

        assert key not in client.http.get("/control/books").text + client.http.get("/control/requests").text


def test_a_purse_can_be_set(client: Client, connect: Connect) -> None:
    poor = connect(client.url, "key-with-a-purse")
    poor.control("POST", "purse", json={"provider": "kie", "key": "key-with-a-purse", "left": 1.5})

    assert poor.create()["code"] == 200
    assert poor.kie("GET", "chat/credit")["data"] == 0.7
    assert poor.create()["code"] == 402
    assert poor.http.post("/control/purse", json={"key": "x"}).status_code == 422


def test_reset_forgets(connect: Connect, mailbox: Mailbox) -> None:
    with running(replace(FAST, time_scale=1)) as url:
        client = connect(url)
        task_id = client.task(callback=mailbox.url)
        client.fault("code=500")
        client.control("POST", "reset")

        assert client.record(task_id)["code"] == 422
        assert client.control("GET", "books")["tasks"] == []


def test_a_restarted_sandbox_knows_its_tasks(tmp_path: Path, connect: Connect, mailbox: Mailbox) -> None:
    config = replace(FAST, data_dir=tmp_path, kie_credits=Decimal(10))
    with running(config) as url:
        client = connect(url, "survivor")
        done = client.task(prompt="done", callback=mailbox.url)
        until(lambda: client.control("GET", "requests", params={"route": "callback", "task_id": done})["requests"])
        owed = client.task(prompt="owed [[sandbox:slow=0.8]]", callback=mailbox.url)
        port = int(url.rpartition(":")[2])
    with (tmp_path / "books.jsonl").open("ab") as journal:
        journal.write(b'{"kind":"task","id":"cut by a ki')
    with running(replace(config, port=port)) as url:
        client = connect(url, "survivor")
        until(lambda: len(mailbox.letters) == 2)

        assert [letter.body["data"]["taskId"] for letter in mailbox.letters] == [done, owed]
        assert client.kie("GET", "chat/credit")["data"] == 8.4
        assert fetch(client.result_urls(done)[0]).status_code == 200
        creates = client.control("GET", "requests", params={"route": "/kie/api/v1/jobs/createTask"})["requests"]
        assert [one["text"] for one in creates] == ["done", "owed [[sandbox:slow=0.8]]"]


def test_old_tasks_are_forgotten_but_not_their_totals(connect: Connect) -> None:
    with running(replace(FAST, max_tasks=2)) as url:
        client = connect(url)
        first, *_ = [client.task() for _ in range(3)]
        books = client.control("GET", "books")

        assert client.record(first)["code"] == 422
        assert (len(books["tasks"]), books["totals"][0]["accepted"]) == (2, 3)
