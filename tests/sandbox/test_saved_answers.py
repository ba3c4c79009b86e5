"""Saved answers of real services, served in the place of the stand-in's own."""

import json

import pytest

from app.sandbox.saved_answers import names, saved_answer
from tests.sandbox.driving import Client


@pytest.mark.parametrize("name", sorted(names()))
def test_every_saved_answer_is_what_it_says(name: str) -> None:
    answer = saved_answer(name, task_id="t", model="m", base_url="http://h")
    body = bytes(answer.body).decode()

    assert 200 <= answer.status_code < 600
    assert "$" not in body
    if answer.media_type == "application/json":
        assert json.loads(body)


def test_a_saved_record_in_the_place_of_a_tasks_own(client: Client) -> None:
    task_id = client.task()
    client.fault("saved=kie-record-plain", route="recordInfo", model="z-image")
    data = client.record(task_id)["data"]

    assert (data["taskId"], data["model"], data["costTime"]) == (task_id, "z-image", 15000)
    assert json.loads(data["resultJson"])["resultUrls"] == [f"{client.url}/files/{task_id}/0.png"]
    assert client.record(task_id)["data"]["costTime"] != 15000


def test_a_saved_answer_costs_nothing(client: Client) -> None:
    before = client.kie("GET", "chat/credit")["data"]

    assert client.create(prompt="[[sandbox:saved=kie-region]]")["code"] == 4030
    assert client.http.post(
        "/openrouter/api/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "[[sandbox:saved=openrouter-availability]]"}]},
    ).json()["error"]["availability"]["code"] == "no_endpoints"
    assert client.kie("GET", "chat/credit")["data"] == before
