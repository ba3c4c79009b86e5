"""What ARQ may ask of a worker."""

from typing import Any

from workers.stepper import Stepper


async def wake(context: dict[str, Any], lane: str) -> None:
    """There is work in the lane. Lost or doubled wake-ups do no harm: the sweep looks every two seconds."""
    steppers: dict[str, Stepper] = context["steppers"]
    if lane in steppers:
        steppers[lane].wake()
