"""What tokens cost, and how much is held for a call before it is made."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.language.chat import IMAGE_TOKENS, ChatRequest, chat_body, chat_parts, prompt_bound
from app.catalog.language.embedding import EmbeddingRequest, embedding_body, input_bound
from app.catalog.language.prices import PRICE_LISTS, TokenPrice, is_model_rate, list_rates
from app.catalog.language.responses import ResponseRequest, response_body, response_parts
from app.providers.openrouter_models import ListPrices, Tier

CHAT = TokenPrice({name: Decimal(rate) for name, rate in PRICE_LISTS["phaya-gpt"].items()}, 6)
EMBEDDING = TokenPrice({name: Decimal(rate) for name, rate in PRICE_LISTS["embedding"].items()}, 8)


@pytest.mark.parametrize(("prompt", "completion", "credits"), [
    (11, 4, "0.000466"), (0, 0, "0"), (1, 0, "0.000011"), (1_000_000, 1_000_000, "98"), (100, 1, "0.001138"),
])
def test_a_chat_costs_what_the_contract_says(prompt: int, completion: int, credits: str) -> None:
    assert CHAT.of(prompt, completion) == Decimal(credits)


@pytest.mark.parametrize(("tokens", "credits"), [(6, "0.0000168"), (1, "0.0000028"), (0, "0"), (1_000_000, "2.8")])
def test_an_embedding_costs_what_the_contract_says(tokens: int, credits: str) -> None:
    assert EMBEDDING.of(tokens) == Decimal(credits)


def test_a_list_price_becomes_rates_in_credits() -> None:
    prices = ListPrices(Decimal("0.0000003"), Decimal("0.0000025"), Decimal("0.01"), (
        Tier(200_000, Decimal("0.0000006"), None),
    ))

    assert list_rates(prices, Decimal(35)) == {
        "input": "10.5", "output": "87.5", "request": "0.35", "web_search": "0", "input>200000": "21",
    }


def test_long_prompts_have_rates_of_their_own() -> None:
    price = TokenPrice({name: Decimal(rate) for name, rate in {
        "input": "10", "output": "20", "input>100": "30", "input>1000": "50", "output>1000": "70",
    }.items()}, 6)

    assert price.of(100, 100) == Decimal("0.003")
    assert price.of(101, 100) == Decimal("0.00503")
    assert price.of(1_001, 100) == Decimal("0.05705")


def test_searches_and_calls_have_prices() -> None:
    price = TokenPrice({"input": Decimal(0), "web_search": Decimal("0.35"), "request": Decimal(1)}, 6)

    assert price.of(10, 10, 2) == Decimal("1.7")


@given(credits=st.decimals(0, 100, places=9), prompt=st.integers(0, 10_000_000))
def test_what_is_affordable_can_be_paid_and_one_token_more_cannot(credits: Decimal, prompt: int) -> None:
    tokens = CHAT.affordable_tokens(credits, prompt_tokens=prompt, searches=0)

    if tokens > 0:
        assert CHAT.of(prompt, tokens) <= credits
    assert CHAT.of(prompt, tokens + 1) + Decimal("0.000001") >= credits or tokens == 0


def test_what_costs_nothing_is_always_affordable() -> None:
    assert TokenPrice({"input": Decimal(1)}, 6).affordable_tokens(Decimal(1), prompt_tokens=5, searches=0) > 1_000_000
    assert TokenPrice({"input": Decimal(1)}, 6).affordable_tokens(Decimal(0), prompt_tokens=5, searches=0) == 0


def test_a_frozen_price_is_the_same_price() -> None:
    thawed = TokenPrice.thawed(orjson.loads(orjson.dumps(CHAT.frozen())))

    assert thawed.of(11, 4) == CHAT.of(11, 4)


@pytest.mark.parametrize(("service", "name", "known"), [
    ("phaya-gpt", "openai/gpt-5.4/input", True), ("phaya-gpt", "openai/gpt-5.4/output>200000", True),
    ("embedding", "openai/text-embedding-3-small/input", True), ("phaya-gpt", "local/input", True),
    ("phaya-gpt", "input", False), ("phaya-gpt", "openai/gpt-5.4/tokens", False),
    ("phaya-gpt", "openai/gpt-5.4/input>", False), ("seedream", "openai/gpt-5.4/input", False),
])
def test_names_of_rates(service: str, name: str, known: bool) -> None:
    assert is_model_rate(service, name) is known


def chat_bound(raw: dict[str, Any]) -> int:
    asked = ChatRequest.model_validate(raw)
    body = chat_body(asked, raw)
    return prompt_bound(body, chat_parts(body), searches=asked.searches)


def said(content: object, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]} | more


def test_the_bound_of_text_is_its_bytes_and_what_surrounds_them() -> None:
    assert chat_bound(said("สวัสดี" * 100)) >= len(("สวัสดี" * 100).encode())
    assert chat_bound(said("x" * 1_000)) - chat_bound(said("")) == 1_000
    tool = {"type": "function", "function": {"name": "f", "parameters": {"a": "b" * 500}}}
    assert chat_bound(said("x", tools=[tool])) > 500


def test_a_picture_is_counted_apart_from_its_bytes() -> None:
    def picture(url: str) -> int:
        return chat_bound(said([{"type": "image_url", "image_url": {"url": url}}]))

    small, large = picture("data:image/png;base64,AAAA"), picture("data:image/png;base64," + "A" * 1_000_000)

    assert small == large
    assert IMAGE_TOKENS < small < IMAGE_TOKENS + 200
    assert picture("https://example.com/a.png") > IMAGE_TOKENS


def test_sound_is_counted_by_its_length() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "A" * 320_000, "format": "mp3"}}

    assert 10_000 < chat_bound(said([part])) < 10_300


def test_a_search_multiplies_the_prompt() -> None:
    assert chat_bound(said("x", web_search=True)) > 4 * 20_000


def test_a_responses_pictures_are_counted_apart() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 9_999}
    raw = {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}, picture]}]}
    body = response_body(ResponseRequest.model_validate(raw), raw)

    assert IMAGE_TOKENS < prompt_bound(body, response_parts(body), searches=False) < IMAGE_TOKENS + 300


def test_the_assistants_own_words_are_sent_back_as_upstream_wants_them() -> None:
    raw = {"input": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}

    assert response_body(ResponseRequest.model_validate(raw), raw)["input"] == [
        {"role": "user", "content": "a"},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
         "content": [{"type": "output_text", "text": "b", "annotations": []}]},
    ]


@pytest.mark.parametrize(("value", "count"), [
    ("a", 1), (["a"], 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2),
])
def test_how_many_vectors_are_wanted(value: object, count: int) -> None:
    asked = EmbeddingRequest.model_validate({"input": value})

    assert asked.count == count
    assert input_bound(embedding_body({"input": value})) >= count


def test_what_would_change_the_price_is_not_sent() -> None:
    raw = said("x", n=3, models=["a"], plugins=[{}], service_tier="priority", provider={}, usage={}, temperature=0.5,
               modalities=["image"], route="fallback", transforms=[], user="me", metadata={})

    assert chat_body(ChatRequest.model_validate(raw), raw).keys() == {"messages", "temperature"}
