"""What the client was told: the ids it was given, when, and how each job is to end."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState


@dataclass(frozen=True)
class Answer:
    """A job that was accepted."""

    job_id: str
    answered_at_ms: float
    ends: JobState
    key: str | None


class Record:
    """Safe to write from many threads."""

    def __init__(self) -> None:
        self._answers: list[Answer] = []
        self._changing = threading.Lock()
        self.slowest_submit_s = 0.0

    def note(self, jobs: Sequence[Job], ends: JobState, took_s: float) -> None:
        """Jobs that a submit has returned."""
        now = time.time() * 1000
        with self._changing:
            self.slowest_submit_s = max(self.slowest_submit_s, took_s)
            self._answers += [Answer(job.id, now, ends, job.idempotency_key) for job in jobs]

    def expect(self, job_id: str, ends: JobState) -> None:
        """An accepted job is to end in another way than was noted."""
        with self._changing:
            self._answers = [
                replace(answer, ends=ends) if answer.job_id == job_id else answer for answer in self._answers
            ]

    @property
    def answers(self) -> list[Answer]:
        """All of them."""
        with self._changing:
            return list(self._answers)

    @property
    def ids(self) -> set[str]:
        """The accepted jobs."""
        return {answer.job_id for answer in self.answers}
