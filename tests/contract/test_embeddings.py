"""Embeddings under the product's own name, to the letter of contract 3.3."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.chatting import balance, last_job
from tests.stack import Stack

CREATE = "/api/v1/embedding/create"


def test_texts_become_vectors_in_their_order(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post(CREATE, json={"input": ["คลิปแรก", "คลิปที่สอง", "คลิปแรก"]})

    body = answer.json()
    one, two, again = (item["embedding"] for item in body["data"])
    assert answer.status_code == 200
    assert list(body) == ["success", "id", "data", "model", "usage", "credits_used"]
    assert (body["success"], body["model"]) == (True, "Phaya Text Embedding")
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", n) for n in range(3)]
    assert len(one) == len(two) == 4_096
    assert one == again != two
    assert abs(sum(number * number for number in one) - 1) < 1e-6
    assert last_job(stack, client)["request"]["model"] == "qwen/qwen3-embedding-8b"


def test_tokens_are_charged_to_eight_places(stack: Stack) -> None:
    client = stack.client("1")

    # Six tokens of four letters each: the contract's live sample.
    body = client.http.post(CREATE, json={"input": "aaaabbbbccccddddeeeeffff"}).json()

    assert body["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert body["credits_used"] == 0.0000168
    assert balance(client) == (1 - Decimal("0.0000168"),) * 2
    assert [entry.amount for entry in stack.entries(client)] == [-Decimal("0.0000168")]


@pytest.mark.parametrize("body", [
    {}, {"input": ""}, {"input": []}, {"input": ["a", ""]}, {"input": 5}, {"input": ["a"] * 2_049}, {"input": [1, "a"]},
    {"input": "a", "model": "openai/gpt-5.4"}, {"input": "a", "model": "nobody/knows"},
    {"input": "a", "encoding_format": "hex"}, {"input": "a", "dimensions": 0},
])
def test_a_bad_value_is_refused_and_costs_nothing(stack: Stack, body: dict[str, Any]) -> None:
    client = stack.client("1")

    answer = client.http.post(CREATE, json=body)

    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert stack.entries(client) == []


def test_what_the_provider_cannot_shorten_is_refused(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post(CREATE, json={"input": "a", "dimensions": 8_192})

    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert balance(client) == (Decimal(1), Decimal(1))


def test_too_few_credits_are_refused(stack: Stack) -> None:
    client = stack.client("0.00001")

    answer = client.http.post(CREATE, json={"input": "a long text " * 100})

    assert (answer.status_code, answer.json()["error"]) == (402, "insufficient_credits")
    assert answer.json()["required"] > 0.00001


@pytest.mark.parametrize("directive", ["http=503", "fail"])
def test_a_provider_that_fails_costs_nothing(stack: Stack, directive: str) -> None:
    client = stack.client("1")

    answer = client.http.post(CREATE, json={"input": f"a [[sandbox:{directive}]]"})

    assert (answer.status_code, answer.json()["error"]) == (502, "upstream_error")
    assert balance(client) == (Decimal(1), Decimal(1))


def test_an_answer_that_was_lost_is_given_back(stack: Stack) -> None:
    client = stack.client("1")

    answer = client.http.post(CREATE, json={"input": "a [[sandbox:bad-json]]"})

    assert answer.status_code == 502
    assert last_job(stack, client)["state"] in ("unclear", "failed")
    assert balance(client)[0] == 1


def test_the_same_request_is_answered_once(stack: Stack) -> None:
    client = stack.client("1")
    headers = {"Idempotency-Key": "a"}

    first, second = (client.http.post(CREATE, json={"input": "a"}, headers=headers) for _ in range(2))

    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(stack.entries(client)) == 1


def test_scopes(stack: Stack) -> None:
    assert stack.client("1", scopes=["embedding"]).http.post(CREATE, json={"input": "a"}).status_code == 200
    assert stack.client("1", scopes=["phaya-gpt"]).http.post(CREATE, json={"input": "a"}).status_code == 403


def test_prices_are_told_by_the_million(stack: Stack) -> None:
    assert stack.client().http.get("/api/v1/embedding/pricing").json() == {
        "success": True, "model": "Phaya Text Embedding", "currency": "THB", "unit": "per_million_tokens",
        "input": 2.8, "dimensions": 4_096,
    }
