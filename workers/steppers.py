"""Which lanes a worker looks after, and what a step in each of them is."""

import os
from functools import partial

from app.catalog.loader import waiting_lanes
from app.jobs.wire import MEDIA_LANE
from app.providers.openrouter import OpenRouter
from app.services.advance_job import advance
from app.services.broker import Broker
from app.services.lost_calls import settle_lost_call, take_lost_calls
from app.services.run_locally import run_locally
from app.services.take_work import hand_back, take_local_work, take_upstream_work
from workers.stepper import Stepper


def upstream_steppers(broker: Broker) -> list[Stepper]:
    """Providers' tasks, local work that mostly waits for a provider, and calls that their process lost."""
    stepper = partial(Stepper, hand_back=partial(hand_back, broker))
    return [
        stepper(
            provider.name,
            room=broker.settings.worker_concurrency,
            take=partial(take_upstream_work, broker, provider),
            run=partial(advance, broker),
        )
        for provider in broker.providers.values()
    ] + [
        stepper(
            lane, room=broker.settings.worker_concurrency, take=partial(take_local_work, broker, lane),
            run=lambda step: run_locally(broker, step.job),
        )
        for lane in waiting_lanes()
    ] + [
        stepper(
            OpenRouter.name, room=broker.settings.worker_concurrency, take=partial(take_lost_calls, broker),
            run=partial(settle_lost_call, broker),
        )
    ]


def media_steppers(broker: Broker) -> list[Stepper]:
    """One stepper, a job for each core."""
    return [
        Stepper(
            MEDIA_LANE,
            room=broker.settings.media_concurrency or os.cpu_count() or 1,
            take=partial(take_local_work, broker, MEDIA_LANE),
            run=lambda step: run_locally(broker, step.job),
            hand_back=partial(hand_back, broker),
        )
    ]
