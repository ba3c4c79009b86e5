"""The models on offer. Prices are USD per token, as decimals."""

from dataclasses import dataclass
from decimal import Decimal

from app.sandbox.tasks import JsonObject


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model. `stops_billing`: its provider stops to work, and to bill, when the client hangs up."""

    id: str
    name: str
    provider: str
    prompt: Decimal
    completion: Decimal = Decimal(0)
    context: int | None = 1_048_576
    most_out: int | None = 65_536
    inputs: tuple[str, ...] = ("text", "image")
    outputs: tuple[str, ...] = ("text",)
    stops_billing: bool = False
    overrides: tuple[JsonObject, ...] = ()
    vector_size: int = 0

    @property
    def is_chat(self) -> bool:
        return "text" in self.outputs


def _usd(per_million: str) -> Decimal:
    return Decimal(per_million).scaleb(-6)


def _gpt(name: str, prompt: str, completion: str) -> Model:
    return Model(
        id=f"openai/{name.lower().replace(' ', '-')}",
        name=f"OpenAI: {name}",
        provider="OpenAI",
        prompt=_usd(prompt),
        completion=_usd(completion),
        context=400_000,
        most_out=128_000,
        stops_billing=True,
    )


LONG_PROMPT: JsonObject = {"min_prompt_tokens": 200_000, "prompt": "0.0000025", "completion": "0.000015"}

MODELS = {
    model.id: model
    for model in (
        Model(
            id="google/gemini-3-flash-preview",
            name="Google: Gemini 3 Flash Preview",
            provider="Google AI Studio",
            prompt=_usd("0.30"),
            completion=_usd("2.50"),
        ),
        Model(
            id="google/gemini-2.5-flash",
            name="Google: Gemini 2.5 Flash",
            provider="Google AI Studio",
            prompt=_usd("0.30"),
            completion=_usd("2.50"),
        ),
        Model(
            id="google/gemini-2.5-pro",
            name="Google: Gemini 2.5 Pro",
            provider="Google AI Studio",
            prompt=_usd("1.25"),
            completion=_usd("10"),
            overrides=(LONG_PROMPT,),
        ),
        _gpt("GPT-5.5", "1.25", "10"),
        _gpt("GPT-5.4", "1.25", "10"),
        _gpt("GPT-5.4 Mini", "0.25", "2"),
        _gpt("GPT-5.4 Nano", "0.05", "0.40"),
        # A model without a known context length, and a router whose price depends on where it sends the request.
        Model(
            id="mystery/unmeasured",
            name="Mystery: Unmeasured",
            provider="Chutes",
            prompt=_usd("0.10"),
            completion=_usd("0.10"),
            context=None,
            most_out=None,
            stops_billing=True,
        ),
        Model(
            id="openrouter/auto",
            name="Auto Router",
            provider="OpenRouter",
            prompt=Decimal(-1),
            completion=Decimal(-1),
            context=2_000_000,
            most_out=None,
        ),
        Model(
            id="qwen/qwen3-embedding-8b",
            name="Qwen: Qwen3 Embedding 8B",
            provider="Nebius",
            prompt=_usd("0.01"),
            context=32_768,
            most_out=None,
            inputs=("text",),
            outputs=("embeddings",),
            vector_size=4096,
        ),
        Model(
            id="openai/text-embedding-3-small",
            name="OpenAI: Text Embedding 3 Small",
            provider="OpenAI",
            prompt=_usd("0.02"),
            context=8_192,
            most_out=None,
            inputs=("text",),
            outputs=("embeddings",),
            vector_size=1536,
        ),
    )
}
DEFAULT = MODELS["google/gemini-2.5-flash"]
VARIANTS = frozenset({"free", "nitro", "floor", "thinking", "exacto", "extended", "online"})


def find_model(name: str) -> Model | None:
    """The model of an id, with or without a variant (`:free`, `:online`, ...)."""
    plain, _, variant = name.partition(":")
    return MODELS.get(plain) if not variant or variant in VARIANTS else None


def price_text(price: Decimal) -> str:
    """A price as the list writes it: a plain decimal string."""
    return f"{price.normalize():f}"
