"""What the books hold beside tasks."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, or one callback sent, and how it was answered (`lost`: not at all).

    `text` is how the prompt begins.
    """

    at: float
    provider: str
    route: str
    key: str
    model: str
    task_id: str
    answer: str
    text: str = ""
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """One accepted, paid answer that is no task: its cost in the provider's unit."""

    id: str
    provider: str
    model: str
    key: str
    at: float
    cost: Decimal
    text: str = ""


@dataclass(slots=True)
class Total:
    """What one key bought of one model."""

    accepted: int = 0
    cost: Decimal = Decimal(0)
