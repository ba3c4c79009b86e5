"""Speech by Gemini, long texts in pieces (contract 2.12; upstreams/gemini-tts.md)."""

import asyncio
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from app.catalog.model import (
    Costs,
    Credits,
    Example,
    Listing,
    LocalWork,
    Made,
    NotBlank,
    Rates,
    Service,
    ServiceRequest,
    Work,
    first_file,
    rounded,
)
from app.catalog.vocabulary import Vocabulary
from app.config import Settings
from app.ledger import HoldKind
from app.media.formats import Kinds
from app.media.speech import join_speech, split_text, weigh
from app.providers.gemini import price_on

VOICES = {
    "Zephyr": "Bright", "Algenib": "Gravelly", "Algieba": "Smooth", "Aoede": "Breezy", "Autonoe": "Bright",
    "Callirrhoe": "Easy-going", "Despina": "Smooth", "Erinome": "Clear", "Fenrir": "Excitable", "Iapetus": "Clear",
    "Kore": "Firm", "Laomedeia": "Upbeat", "Leda": "Youthful", "Orus": "Firm", "Sadaltager": "Knowledgeable",
    "Schedar": "Even", "Umbriel": "Easy-going", "Vindemiatrix": "Gentle", "Zubenelgenubi": "Casual",
}
LANGUAGES = {"en": "English", "th": "Thai", "ja": "Japanese", "zh-CN": "Mandarin Chinese", "ko": "Korean"}

MILLION = Decimal(1_000_000)
AUDIO_TOKENS_PER_S = 25
# What is reserved is meant to be more than what is used: the slowest reader, and a token for every character.
SLOWEST_PER_S = Decimal(8)
SLOW_FACTOR = Decimal("1.6")
SPARE_S = Decimal(3)
# Pieces that are spoken at the same time.
AT_ONCE = 3


class TextToSpeechRequest(ServiceRequest):
    """A text to be spoken."""

    prompt: Annotated[str, Field(min_length=1, max_length=500_000, description="The text itself"), NotBlank]
    voice: Literal[
        "Zephyr", "Algenib", "Algieba", "Aoede", "Autonoe", "Callirrhoe", "Despina", "Erinome", "Fenrir", "Iapetus",
        "Kore", "Laomedeia", "Leda", "Orus", "Sadaltager", "Schedar", "Umbriel", "Vindemiatrix", "Zubenelgenubi",
    ] = "Zephyr"
    slow: bool = False
    language: Annotated[
        Literal["en", "th", "ja", "zh-CN", "ko"] | None, Field(description="null: told from the text")
    ] = None


def cost(prompt_tokens: int | Decimal, audio_tokens: int | Decimal, rates: Rates) -> Credits:
    """Credits for a million tokens, of text in and of sound out, rounded half up to six places."""
    return rounded(
        (prompt_tokens * rates["input_per_million"] + audio_tokens * rates["output_per_million"]) / MILLION, 6
    )


def estimate(request: TextToSpeechRequest, rates: Rates) -> Credits:
    """What is reserved: never less than what the speech can use."""
    seconds = Decimal(weigh(request.prompt)) / SLOWEST_PER_S * (SLOW_FACTOR if request.slow else 1)
    pieces = len(split_text(request.prompt))
    return cost(Decimal(2 * len(request.prompt) + 50 * pieces),
                (seconds + pieces * SPARE_S) * AUDIO_TOKENS_PER_S, rates)


def cost_of_call(counted: Mapping[str, Any], costs: Costs) -> Decimal | None:
    """What the provider takes for the tokens that it counted; None for a model without a price in the list."""
    if not costs:
        return None
    text, sound = int(counted["prompt_tokens"]), int(counted["audio_tokens"])
    return (text * costs["input_per_million"] + sound * costs["output_per_million"]) / MILLION


def list_price(settings: Settings, on: date) -> Mapping[str, str]:
    """The price of the model that the settings name."""
    price = price_on(settings.gemini_tts_model, on)
    return {} if price is None else {"input_per_million": price[0], "output_per_million": price[1]}


def style(request: TextToSpeechRequest) -> str:
    """The direction for the voice, in the provider's words; empty for none."""
    language = f" in {LANGUAGES[request.language]}" if request.language else ""
    if request.slow:
        return f"Read slowly and clearly{language}"
    return f"Read{language}" if language else ""


async def speak(work: Work) -> Made:
    """Speak every piece, join them, and charge for the tokens that were used."""
    request: TextToSpeechRequest = work.request
    pieces = split_text(request.prompt)
    places = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(number: int, text: str) -> tuple[int, int]:
        nonlocal done
        ask = {"text": text, "voice": request.voice, "style": style(request)}
        async with places:
            answer = await work.calls.once(f"piece-{number}", "gemini", ask)
        done += 1
        work.progress(95 * done / len(pieces))
        return answer.output["prompt_tokens"], answer.output["audio_tokens"]

    try:
        async with asyncio.TaskGroup() as group:
            spoken = [group.create_task(one(number, text)) for number, text in enumerate(pieces)]
    except ExceptionGroup as failures:
        # One piece that cannot be spoken ends them all; what is wrong with the first is what is wrong.
        raise failures.exceptions[0] from failures
    used = [task.result() for task in spoken]
    target = work.folder / "speech.wav"
    sounds = [work.folder / f"step-piece-{number}" for number in range(len(pieces))]
    seconds = await asyncio.to_thread(join_speech, sounds, target)
    credits = cost(sum(use[0] for use in used), sum(use[1] for use in used), work.rates)
    return Made(files=(target,), values={"duration": seconds}, credits=credits)


SERVICE = Service(
    id="text-to-speech",
    title="Text-to-Speech",
    summary="Speech from text, by Gemini.",
    group="audio",
    verb="generate",
    request=TextToSpeechRequest,
    rates={"input_per_million": "17.5", "output_per_million": "350"},
    costs=list_price,
    price=estimate,
    priced="By tokens of text and of sound (25 a second), debited at completion; an estimate is set aside until then.",
    hold=HoldKind.DEFERRED,
    run=LocalWork(speak, time_limit_s=6 * 3_600, lane="speech", needs="gemini", call_cost=cost_of_call),
    vocabulary=Vocabulary.UPPER,
    results=(first_file("audio_url", suffix=".wav"),),
    result_kinds=Kinds.AUDIO,
    has_history=True,
    listings=(
        Listing(
            "voices", "The voices", is_public=True,
            fields={"name": {"type": "string"}, "description": {"type": "string"}},
            body=lambda _: {"voices": [{"name": name, "description": text} for name, text in VOICES.items()]},
        ),
    ),
    usual_s=15,
    deadline_s=7 * 3_600,
    examples=(
        Example({"prompt": "Good morning, and welcome on board."}, credits="0.066631"),
        Example({"prompt": "สวัสดีครับ ยินดีต้อนรับ", "voice": "Kore", "language": "th", "slow": True}, credits="0.106680"),
    ),
)
