"""How a job's state reads to a client (contract 1.8)."""

from enum import StrEnum

from app.jobs.states import JobState


class Vocabulary(StrEnum):
    """The words of one kind of service."""

    UPPER_WITH_QUEUE = "U5"
    UPPER = "U4"
    LOWER = "l3"
    LOWER_WITH_CANCEL = "l4"

    def word(self, state: JobState, *, is_generating: bool) -> str:
        """The service's own word for the state."""
        if state in _END_WORDS:
            word = _END_WORDS[state]
        elif self in (Vocabulary.LOWER, Vocabulary.LOWER_WITH_CANCEL):
            word = "processing"
        elif state is JobState.QUEUED:
            word = "pending"
        elif self is Vocabulary.UPPER_WITH_QUEUE and not is_generating and state is not JobState.STORING:
            word = "queued"
        else:
            word = "processing"
        return word.upper() if self in (Vocabulary.UPPER, Vocabulary.UPPER_WITH_QUEUE) else word

    @property
    def words(self) -> tuple[str, ...]:
        """Every word of it, in the order of a job's life."""
        return {
            Vocabulary.UPPER_WITH_QUEUE: ("PENDING", "QUEUED", "PROCESSING", "COMPLETED", "FAILED"),
            Vocabulary.UPPER: ("PENDING", "PROCESSING", "COMPLETED", "FAILED"),
            Vocabulary.LOWER: ("processing", "completed", "failed"),
            Vocabulary.LOWER_WITH_CANCEL: ("processing", "completed", "failed", "cancelled"),
        }[self]


_END_WORDS = {JobState.SUCCEEDED: "completed", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}
