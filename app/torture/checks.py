"""What must be true once everything is quiet, one function each. Each yields a sentence for every breach."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.catalog.loader import load_catalog
from app.catalog.model import Rates
from app.jobs.states import ENDS, JobState
from app.ledger import HoldKind
from app.providers.openrouter import OpenRouter
from app.torture.evidence import Evidence, Job
from app.torture.journal import intrusions, resumed_after_s
from app.torture.orders import PROMPT
from app.torture.plan import HOPELESS, POOR, Deed, name_in
from app.torture.talk import CALLS

Check = Callable[[Evidence], Iterator[str]]

# A run in which next to nothing succeeds proves next to nothing.
SUCCESS_SHARE = 0.5
CALL_LANE = OpenRouter.name
RESUME_WITHIN_S = 15.0


def audit_is_clean(it: Evidence) -> Iterator[str]:
    """The invariants of `phaya audit`."""
    for violation in it.violations:
        yield f"{violation.rule}: {violation.subject}: {violation.detail}"


def clients_had_definite_answers(it: Evidence) -> Iterator[str]:
    """Nobody was left without an answer, saw a mistake of ours, or was refused without a reason."""
    for told in it.log.told.values():
        yield from (f"{told.order.name}: {problem}" for problem in told.odd)
        if told.refused is not None and (told.refused != 402 or told.order.account != POOR):
            yield f"{told.order.name}: refused with {told.refused}"


def accepted_exactly_once(it: Evidence) -> Iterator[str]:
    """Every create that a client was told of is one job, and there is no other job."""
    known: set[str] = set()
    for told in it.log.told.values():
        if len(told.job_ids) > 1:
            yield f"{told.order.name}: one key, but {len(told.job_ids)} jobs"
        if told.is_forgotten:
            yield f"{told.order.name}: accepted, and then refused with {told.refused}"
        yield from (f"{told.order.name}: its job {job_id} is lost" for job_id in told.job_ids - it.jobs.keys())
        known |= told.job_ids
    # A call to a language model is answered by its answer: its job's id is never told.
    unknown = {job_id for job_id in it.jobs.keys() - known if it.jobs[job_id].lane != CALL_LANE}
    yield from (f"job {job_id}: no client was told of it" for job_id in unknown)


def everything_ended(it: Evidence) -> Iterator[str]:
    """Each job reached an end that can be seen."""
    yield from (f"job {job.id}: still {job.state}" for job in it.jobs.values() if job.state not in ENDS)


def clients_saw_the_truth(it: Evidence) -> Iterator[str]:
    """The end that a client saw is the end that the job has."""
    words = {"completed": JobState.SUCCEEDED, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}
    for told in it.log.told.values():
        for job in (it.jobs[job_id] for job_id in told.job_ids & it.jobs.keys()):
            if told.end is None:
                continue
            if words[told.end["status"].lower()] != job.state:
                yield f"job {job.id}: its client saw {told.end['status']}, it is {job.state}"
            if told.end["credits_used"] != job.credits_used:
                yield f"job {job.id}: its client saw {told.end['credits_used']} credits, it used {job.credits_used}"
            if told.is_cancelled and job.state != JobState.CANCELLED:
                yield f"job {job.id}: its client was told that it is cancelled, it is {job.state}"


def one_debit_each(it: Evidence) -> Iterator[str]:
    """A job has one hold, of the price in the catalogue, and at most one debit; one at once if it is visible."""
    for job in it.jobs.values():
        if len(job.holds) != 1:
            yield f"job {job.id}: {len(job.holds)} holds"
            continue
        hold = job.holds[0]
        if job.lane != CALL_LANE and hold.amount != price(job):
            yield f"job {job.id}: {hold.amount} held, its price is {price(job)}"
        debited = hold.kind == HoldKind.VISIBLE or hold.captured > 0
        if len(hold.booked("debit")) != debited:
            yield f"job {job.id}: {len(hold.booked('debit'))} debits"


def holds_ended_right(it: Evidence) -> Iterator[str]:
    """Success keeps all that was held (or what was used, if that is measured); every other end gives it all back."""
    for job in it.jobs.values():
        for hold in job.holds:
            kept = -sum(amount for _, amount in hold.entries)
            succeeded = job.state == JobState.SUCCEEDED
            if hold.state != ("captured" if succeeded else "released"):
                yield f"job {job.id}: {job.state}, its hold is {hold.state}"
            if succeeded and hold.kind == HoldKind.VISIBLE and kept != hold.amount:
                yield f"job {job.id}: succeeded for {kept}, its price is {hold.amount}"
            if not succeeded and kept:
                yield f"job {job.id}: {job.state}, but {kept} were not given back"


def nothing_sent_twice(it: Evidence) -> Iterator[str]:
    """The upstream accepted at most one create of each job, and none that we do not know of."""
    owners = {attempt.secret_hash: job.id for job in it.jobs.values() for attempt in job.attempts}
    accepted: dict[str, list[str]] = defaultdict(list)
    for task in it.tasks:
        owner = owners.get(task.secret_hash)
        if owner is None:
            yield f"task {task.id}: of no attempt of ours"
        else:
            accepted[owner].append(task.id)
    for job_id, tasks in accepted.items():
        if len(tasks) > 1:
            yield f"job {job_id}: submitted {len(tasks)} times: {', '.join(tasks)}"
    yield from _nothing_called_twice(it)


def _nothing_called_twice(it: Evidence) -> Iterator[str]:
    names = {name_in(job.request.get(PROMPT) or ""): job for job in it.jobs.values()}
    spoken = Counter(name_in(charge.text) for charge in it.charges if charge.provider != CALL_LANE)
    for name, count in spoken.items():
        job = names.get(name)
        if job is None or count > len(job.attempts):
            yield f"{name}: paid {count} times, attempts {len(job.attempts) if job else 0}"
    owners = {attempt.task_id: job.id for job in it.jobs.values() for attempt in job.attempts if attempt.task_id}
    answered = Counter(owners.get(charge.id) for charge in it.charges if charge.provider == CALL_LANE)
    lost = sum(attempt.task_id is None for job in it.jobs.values() if job.lane == CALL_LANE for attempt in job.attempts)
    if answered.pop(None, 0) > lost:
        yield f"more paid answers than the {lost} calls that lost theirs"
    yield from (f"job {job_id}: {count} paid answers" for job_id, count in answered.items() if count > 1)
    for job in it.jobs.values():
        unrefused = [attempt for attempt in job.attempts if attempt.outcome not in ("refused", "failed")]
        if len(unrefused) > len({attempt.step for attempt in unrefused}):
            yield f"job {job.id}: tried again although it was not refused: {[a.outcome for a in job.attempts]}"


def calls_cost_what_was_told(it: Evidence) -> Iterator[str]:
    """Whoever was given a whole answer of a language model pays for it what the answer said, once."""
    for told in it.log.told.values():
        if told.order.service not in CALLS or told.credits is None or told.has_hung_up:
            continue
        job = it.jobs.get(it.keys.get(told.order.name, ""))
        if job is None or job.state != JobState.SUCCEEDED:
            yield f"{told.order.name}: told {told.credits} credits, its job {job.state if job else 'is not there'}"
        elif abs(job.credits_used - told.credits) > Decimal("1e-9"):
            yield f"{told.order.name}: told {told.credits} credits, {job.credits_used} were taken"


def success_has_its_file(it: Evidence) -> Iterator[str]:
    """What was paid for is there and opens."""
    yield from (f"job {job_id}: {problem}" for job_id, problem in it.broken_files.items())
    for job in it.jobs.values():
        makes_files = job.lane != CALL_LANE and load_catalog()[job.service].result_kinds
        if job.state == JobState.SUCCEEDED and makes_files and not job.files:
            yield f"job {job.id}: succeeded without a file"


def results_are_the_jobs_own(it: Evidence) -> Iterator[str]:
    """A result comes from the task that this job's attempt made, as the upstream itself told us."""
    for job in it.jobs.values():
        task_ids = {attempt.task_id for attempt in job.attempts if attempt.task_id}
        for url in job.output_urls:
            if not any(f"/{task_id}/" in url for task_id in task_ids):
                yield f"job {job.id}: {url} is of none of its tasks"


def the_hopeless_failed(it: Evidence) -> Iterator[str]:
    """Where the upstream made nothing of use the job did not succeed."""
    for told in it.log.told.values():
        for job_id in told.job_ids & it.jobs.keys():
            job = it.jobs[job_id]
            is_bent = told.order.bent in HOPELESS and PROMPT in job.request
            if is_bent and load_catalog()[job.service].lane == "kie" and job.state == JobState.SUCCEEDED:
                yield f"job {job.id}: succeeded in spite of {told.order.bent}"


def leases_were_kept_to(it: Evidence) -> Iterator[str]:
    """No process wrote to a job that another held."""
    for write in intrusions(it.writes):
        yield f"job {write.job_id}: {write.writer} wrote to it under another's lease ({write.source} -> {write.target})"


def costs_are_known(it: Evidence) -> Iterator[str]:
    """What the upstream charged for a task that we saw end is what we wrote down."""
    costs = {task.id: task.cost for task in it.tasks}
    for job in it.jobs.values():
        for attempt in job.attempts:
            cost = costs.get(attempt.task_id or "")
            if attempt.outcome in ("done", "failed") and cost is not None and attempt.cost != cost:
                yield f"job {job.id}: cost {cost}, written down {attempt.cost}"


def jobs_go_on_soon(it: Evidence) -> Iterator[str]:
    """After a worker's death, with nothing else amiss, its jobs are gone on with within 15 seconds."""
    for job in resumptions(it, undisturbed=True):
        if job.after_s > RESUME_WITHIN_S:
            yield f"job {job.job_id}: {job.after_s:.1f} s after the death of its {job.part}"


def it_was_a_trial(it: Evidence) -> Iterator[str]:
    """Enough was asked for, enough succeeded, and the blows were struck."""
    ends = Counter(job.state for job in it.jobs.values() if job.lane != CALL_LANE)
    could = sum(told.order.bent not in HOPELESS for told in it.log.told.values() if told.job_ids)
    if ends[JobState.SUCCEEDED] < could * SUCCESS_SHARE:
        yield f"only {ends[JobState.SUCCEEDED]} of {could} that could succeed did"
    wanted = sum(act.misdeed is None for act in (*it.plan.storm.acts, *it.plan.trial.acts))
    if len(it.done) < wanted:
        yield f"only {len(it.done)} of {wanted} blows were struck"


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        audit_is_clean, clients_had_definite_answers, accepted_exactly_once, everything_ended, clients_saw_the_truth,
        one_debit_each, holds_ended_right, calls_cost_what_was_told, nothing_sent_twice, success_has_its_file,
        results_are_the_jobs_own, the_hopeless_failed, leases_were_kept_to, costs_are_known, jobs_go_on_soon,
        it_was_a_trial,
    )
}  # fmt: skip


def price(job: Job) -> Decimal:
    """What the catalogue asks for the request."""
    service = load_catalog()[job.service]
    rates: Rates = {name: Decimal(rate) for name, rate in service.rates.items()}
    return service.price(service.request.model_validate(job.request), rates)


@dataclass(frozen=True)
class Resumed:
    """A job that a dead worker had in hand, and when another went on with it."""

    job_id: str
    part: str
    after_s: float


def resumptions(it: Evidence, *, undisturbed: bool) -> list[Resumed]:
    """After every worker's death, or after those of the trial alone, when nothing else was amiss."""
    trials = [done for done in it.done if done.act in it.plan.trial.acts]
    return [
        Resumed(str(job_id), done.act.part, after_s)
        for done in (trials if undisturbed else it.done)
        if done.act.deed is Deed.KILL and done.act.part in ("worker", "media-worker")
        for job_id, after_s in resumed_after_s(it.writes, done.pid, done.at).items()
    ]
