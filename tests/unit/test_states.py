"""The table of legal moves, said a second time: changing it takes two hands."""

import pytest

from app.jobs.states import ALLOWED, ENDS, JobState

MOVES = {
    "queued": "submitting running failed cancelled",
    "submitting": "queued running storing unclear failed cancelled",
    "unclear": "running failed cancelled",
    "running": "storing failed cancelled",
    "storing": "succeeded failed cancelled",
    "succeeded": "",
    "failed": "",
    "cancelled": "",
}


@pytest.mark.parametrize("source", list(JobState))
def test_the_table_has_these_moves_and_no_other(source: JobState) -> None:
    assert ALLOWED[source] == {JobState(word) for word in MOVES[source].split()}


def test_an_end_is_where_no_move_leads_on() -> None:
    assert {state for state, targets in ALLOWED.items() if not targets} == ENDS == {"succeeded", "failed", "cancelled"}


def test_success_is_reached_from_stored_files_alone() -> None:
    assert [state for state, targets in ALLOWED.items() if JobState.SUCCEEDED in targets] == [JobState.STORING]


def test_a_request_that_may_have_been_taken_never_goes_back_to_be_sent() -> None:
    sendable = {JobState.QUEUED, JobState.SUBMITTING}

    assert not ALLOWED[JobState.UNCLEAR] & sendable
    assert not ALLOWED[JobState.RUNNING] & sendable


@pytest.mark.parametrize("state", [state for state in JobState if state not in ENDS])
def test_every_live_job_can_fail_and_be_cancelled(state: JobState) -> None:
    assert {JobState.FAILED, JobState.CANCELLED} <= ALLOWED[state]
