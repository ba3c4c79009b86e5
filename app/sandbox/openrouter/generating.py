"""One generation: what is asked, answered, counted and charged, shared by all routes that run a model."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

from app.sandbox.directives import Directives
from app.sandbox.exchange import Call, Refused, record
from app.sandbox.openrouter.answering import Answer, answer
from app.sandbox.openrouter.catalogue import DEFAULT, Model, find_model
from app.sandbox.openrouter.conversation import Conversation
from app.sandbox.openrouter.wire import PROVIDER, authorize, require_money
from app.sandbox.records import Charge
from app.sandbox.tasks import JsonObject
from app.sandbox.world import Generation

BROKEN = "Provider disconnected"
FIRST_TOKEN_S = 0.2
TOKEN_S = 0.005
RECORD_AFTER_S = 1.0
RECORD_AFTER_CANCEL_S = 3.0
KEPT = 10_000
# What the list of models names as the price of a search.
SEARCH_DOLLARS = Decimal("0.01")


@dataclass
class Progress:
    """How far a stream has come: tokens sent, and the word it ended with."""

    produced: int = 0
    ended: str = ""


@dataclass(frozen=True)
class Run:
    """A model at work on a conversation."""

    id: str
    call: Call
    model: Model
    asked_model: str
    prompt_tokens: int
    answer: Answer
    shows_reasoning: bool
    searched: bool
    created: float
    streamed: bool

    @property
    def directives(self) -> Directives:
        return self.call.directives

    @property
    def first_token_s(self) -> float:
        """Seconds before the first token."""
        slow = self.directives.slow
        return FIRST_TOKEN_S * self.call.world.config.time_scale if slow is None else slow

    @property
    def token_s(self) -> float:
        """Seconds for each further token."""
        return TOKEN_S * self.call.world.config.time_scale

    def cost(self, completion_tokens: int) -> Decimal:
        """USD for the prompt and so many tokens of answer."""
        if self.directives.cost is not None:
            return self.directives.cost
        prompt, completion = max(self.model.prompt, Decimal(0)), max(self.model.completion, Decimal(0))
        return self.prompt_tokens * prompt + completion_tokens * completion + self.search_cost

    @property
    def search_cost(self) -> Decimal:
        """USD for the search, if there was one."""
        return SEARCH_DOLLARS if self.searched else Decimal(0)

    def usage(self) -> JsonObject:
        """The usage object of the whole answer."""
        done = self.answer.tokens
        prompt_cost = self.prompt_tokens * max(self.model.prompt, Decimal(0))
        searches = {"web_search_requests": 1, "tool_calls_requested": 1, "tool_calls_executed": 1}
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": done,
            "total_tokens": self.prompt_tokens + done,
            "cost": self.cost(done),
            "is_byok": False,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": len(self.answer.reasoning)},
            "cost_details": {
                "upstream_inference_cost": None,
                "upstream_inference_prompt_cost": prompt_cost,
                "upstream_inference_completions_cost": self.cost(done) - prompt_cost - self.search_cost,
                **({"server_tool_cost": self.search_cost} if self.searched else {}),
            },
            **({"server_tool_use_details": searches} if self.searched else {}),
        }

    def charge(self, cost: Decimal) -> None:
        """Book the cost; the last figure counts."""
        call = self.call
        call.world.books.charge(Charge(self.id, PROVIDER, self.model.id, call.key, self.created, cost, call.text))

    def settle(self, progress: Progress, hung_up: bool) -> None:
        """Book a stream that is over. One that was cut counts as one whose client hung up."""
        self.call.world.open_streams.discard(self.id)
        if hung_up:
            record(self.call, f"hung up after {progress.produced} tokens")
        finish = "" if hung_up else progress.ended
        self.end(produced=progress.produced, finish_reason=finish, cancelled=not finish)

    def end(self, *, produced: int, finish_reason: str, cancelled: bool = False) -> None:
        """Book what was produced and keep the record that `/generation` shows later."""
        billed = self.answer.tokens if cancelled and not self.model.stops_billing else produced
        cost = Decimal(0) if finish_reason == "error" else self.cost(billed)
        self.charge(cost)
        world = self.call.world
        delay = (RECORD_AFTER_CANCEL_S if cancelled else RECORD_AFTER_S) * world.config.time_scale
        shown = self._record(billed, finish_reason, cost, cancelled)
        world.generations[self.id] = Generation(world.now() + delay, self.call.key, shown)
        while len(world.generations) > KEPT:
            world.generations.popitem(last=False)

    def _record(self, billed: int, finish_reason: str, cost: Decimal, cancelled: bool) -> JsonObject:
        took_ms = int((self.call.world.now() - self.created) * 1000)
        return {
            "id": self.id,
            "api_type": "completions",
            "model": self.model.id,
            "provider_name": self.model.provider,
            "created_at": datetime.fromtimestamp(self.created, UTC).isoformat(),
            "streamed": self.streamed,
            "cancelled": cancelled,
            "finish_reason": None if cancelled else finish_reason,
            "native_finish_reason": None if cancelled else finish_reason,
            "tokens_prompt": self.prompt_tokens,
            "tokens_completion": billed,
            "native_tokens_prompt": self.prompt_tokens,
            "native_tokens_completion": billed,
            "native_tokens_reasoning": min(billed, len(self.answer.reasoning)),
            "native_tokens_cached": 0,
            "total_cost": cost,
            "usage": cost,
            "upstream_inference_cost": None,
            "is_byok": False,
            "latency": int(self.first_token_s * 1000),
            "generation_time": took_ms,
            "num_search_results": len(self.answer.citations) if self.searched else None,
            "origin": "",
        }


def new_id(call: Call) -> str:
    """An id as OpenRouter makes them."""
    return f"gen-{int(call.world.now())}-{uuid4().hex[:20]}"


def begin(call: Call, body: JsonObject, read: Callable[[JsonObject], Conversation]) -> Run:
    """Accept a request and charge for it. Raises Refused."""
    asked_model = str(body.get("model") or DEFAULT.id)
    call.model = asked_model
    conversation = read(body)
    call.text = conversation.messages[-1].text
    call.obey(conversation.raw)
    model = find_model(asked_model)
    if model is None:
        raise Refused(400, f"{asked_model} is not a valid model ID")
    if not model.is_chat:
        raise Refused(404, f"No endpoints found that support chat for {asked_model}")
    require_money(call)
    prompt_tokens = conversation.prompt_tokens
    if model.context is not None and prompt_tokens > model.context:
        raise Refused(400, f"This endpoint's maximum context length is {model.context} tokens",
                      detail={"error_type": "context_length_exceeded"})
    reply = answer(conversation, length=call.directives.tokens)
    run = Run(
        id=new_id(call),
        call=call,
        model=model,
        asked_model=asked_model,
        prompt_tokens=prompt_tokens,
        answer=reply,
        shows_reasoning=conversation.reasons and conversation.shows_reasoning,
        searched=conversation.searches and not reply.tool_calls,
        created=call.world.now(),
        streamed=body.get("stream") is True,
    )
    call.task_id = run.id
    run.charge(run.cost(run.answer.tokens))
    return run


def open_request(call: Call) -> JsonObject:
    """What every inference route does first: key and body. Raises Refused."""
    authorize(call)
    body = call.json()
    if not isinstance(body, dict):
        raise Refused(400, "The request body must be a JSON object")
    return body
