"""The path of one job in a worker, from the message to the end of the attempt."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Claim, Ledger, Signal
from brushwork_core.ledger.checkpoints import Trainings
from brushwork_core.telemetry.log import about
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import BrushworkError, DeviceFailed, JobStopped, ServiceUnreachable
from brushwork_schemas.job import JobError
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Provenance, Result, Timings
from brushwork_schemas.trace_context import TraceContext

from brushwork_workers.batching.model_executor import Calls
from brushwork_workers.execution.attempt import Hold
from brushwork_workers.execution.exclusive_gate import Quarantine
from brushwork_workers.execution.job_context import JobDesk
from brushwork_workers.execution.metrics import Metrics
from brushwork_workers.execution.retries import Retries, sorted_error
from brushwork_workers.model_cache.loaded_model import Served
from brushwork_workers.model_cache.model_manager import Shelf
from brushwork_workers.model_cache.turn import NotYet, Turn
from brushwork_workers.models.revision import versions
from brushwork_workers.supervision.heartbeat import Pulse

LOGGER = logging.getLogger(__name__)
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
_Answer = TypeVar("_Answer")


class Outcome(StrEnum):
    """How an attempt ended, for the log and for Flower."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    RETRIED = "to be run again"
    """It failed by the machine's fault and is queued again."""
    LOST = "lost"
    """The lease went to somebody else, or the ledger could not be told; what was made is dropped."""
    POSTPONED = "waits for its model in the queue"
    """Its model's turn is some time off; it went back uncharged."""
    WAITS = "waits its turn"
    """A stranger's message was made a job, and others of its kind have waited longer."""
    DROPPED = "dropped"
    """The message was one too many: the job is taken, finished or unknown."""


@dataclass(frozen=True)
class Run:
    """One attempt on its way; a step leaves it untouched once it is off: `error`, `stopped`, `later_s`."""

    claim: Claim
    hold: Hold
    desk: JobDesk
    # What is left at the end of the attempt.
    inside: ExitStack
    began: float
    request: Request | None = None
    served: Served | None = None
    ready: float = 0.0
    result: Result | None = None
    outputs: tuple[Artifact, ...] = field(default=())
    error: BrushworkError | None = None
    stopped: bool = False
    # Seconds after which it is to come again, where it was not its model's turn.
    later_s: float | None = None

    @property
    def is_off(self) -> bool:
        """Whether there is nothing left to do but to tell how it ended."""
        return self.error is not None or self.stopped or self.later_s is not None


class Executor:
    """Runs claimed jobs.

    Args:
        worker: This process's name in the ledger.
        ledger: Grants and ends attempts.
        store: Holds pictures.
        shelf: Holds the models.
        pulse: Keeps the leases alive.
        calls: Through which the models are called.
        quarantine: Lets jobs in together, or one alone.
        retries: What becomes of an attempt that failed.
        on_broken: Called when the device has failed; it has all that runs taken back, and ends the process.
        lease_s: How long to go on asking a ledger that does not answer.
        metrics: Counts what becomes of attempts.
        trainings: Where it is written how far trainings are.
    """

    def __init__(
        self,
        *,
        worker: str,
        ledger: Ledger,
        store: ArtifactStore,
        shelf: Shelf,
        pulse: Pulse,
        calls: Calls,
        quarantine: Quarantine,
        retries: Retries,
        on_broken: Callable[[], None],
        lease_s: float,
        metrics: Metrics | None = None,
        trainings: Trainings | None = None,
    ) -> None:
        self._worker = worker
        self._ledger = ledger
        self._store = store
        self._shelf = shelf
        self._pulse = pulse
        self._calls = calls
        self._quarantine = quarantine
        self._retries = retries
        self._on_broken = on_broken
        self._lease_s = lease_s
        self._metrics = metrics or Metrics()
        self._trainings = trainings

    def execute(self, job_id: str) -> Outcome:
        """Claim the job and bring the attempt to its end. Raises nothing that a job can cause."""
        # Claimed inside: who only waits for one that has to be alone is not to hold a lease.
        with self._quarantine.together():
            try:
                claim = self._patiently(lambda: self._ledger.claim(job_id, self._worker))
            except ServiceUnreachable as error:
                LOGGER.error("Job %s could not be claimed; it waits in the ledger: %s", job_id, error)
                return Outcome.LOST
            if claim is None:
                self._metrics.dropped()
                return Outcome.DROPPED
            if not claim.alone:
                return self._attempt(claim)
        return self._attempt(claim)

    def _attempt(self, claim: Claim) -> Outcome:
        hold = Hold(claim)
        self._metrics.claimed(claim)
        with self._about(claim), self._pulse.holding(hold), ExitStack() as inside:
            desk = JobDesk(hold, self._store, trainings=self._trainings)
            run = Run(claim, hold, desk, inside, began=time.monotonic())
            run = _guarded(self._prepare, run)
            run = _guarded(self._perform, run)
            outcome = self._finish(run)
            self._note(run, outcome)
            return outcome

    def _about(self, claim: Claim) -> AbstractContextManager[None]:
        """What every line of the log says that is written for this attempt."""
        trace = TraceContext.read(claim.traceparent)
        return about(
            job=claim.job_id,
            kind=claim.kind,
            attempt=claim.attempt,
            worker=self._worker,
            trace=trace and trace.trace_id,
        )

    def _note(self, run: Run, outcome: Outcome) -> None:
        LOGGER.info("Job %s: %s after %.3f s", run.claim.job_id, outcome, time.monotonic() - run.began)
        has_succeeded = outcome is Outcome.SUCCEEDED and run.result is not None
        self._metrics.ended(
            run.claim,
            outcome.name.lower(),
            code=run.error.code if run.error else "",
            running_s=run.result.provenance.timings.running_s if has_succeeded and run.result else None,
        )

    def _prepare(self, run: Run) -> Run:
        claim = run.claim
        request = kind_named(claim.kind).request_type.model_validate(claim.request)
        model = self._shelf.named(claim.model, claim.kind)
        served = run.inside.enter_context(self._shelf.borrow(model, self._turn(run)))
        return replace(run, request=request, served=served, ready=time.monotonic())

    def _turn(self, run: Run) -> Turn:
        attempt = run.hold.attempt
        return Turn(
            run.hold,
            run.inside,
            self._quarantine,
            perform=lambda: self._patiently(lambda: self._ledger.perform(*attempt)),
            rest=lambda: self._patiently(lambda: self._ledger.rest(*attempt)),
        )

    def _perform(self, run: Run) -> Run:
        assert run.served is not None  # noqa: S101 - set by the step before
        assert run.request is not None  # noqa: S101 - as above
        alone, hold = run.request.deterministic, run.hold
        with self._calls.job(hold, model=run.claim.model, alone=alone, on_move=hold.move):
            made = run.served.performers[run.claim.kind].perform(run.request, run.desk)
        result_type = kind_named(run.claim.kind).result_type
        result = result_type(**made, provenance=self._provenance(run, run.served))
        return replace(run, result=result, outputs=tuple(run.desk.outputs))

    def _provenance(self, run: Run, served: Served) -> Provenance:
        return Provenance(
            model=served.model.name,
            model_revision=served.revision,
            versions=versions(),
            device=served.device,
            dtype=served.dtype,
            worker=self._worker,
            attempt=run.claim.attempt,
            timings=Timings(
                queued_s=run.claim.queued_s,
                loading_s=run.ready - run.began + run.desk.reading_s,
                running_s=time.monotonic() - run.ready - run.desk.reading_s,
            ),
        )

    def _finish(self, run: Run) -> Outcome:
        is_broken = isinstance(run.error, DeviceFailed)
        if is_broken and self._is_beside_others(run):
            # Whose fault it was nobody can tell: as after a death, all that ran here are suspects.
            self._on_broken()
            return Outcome.LOST
        ended, outcome = self._end(run, run.hold)
        if is_broken:
            self._on_broken()
        return outcome if ended else Outcome.LOST

    def _is_beside_others(self, run: Run) -> bool:
        # One that has to be alone and is not this one only waits.
        return not run.claim.alone and any(
            other is not run.hold and not other.claim.alone for other in self._pulse.holds()
        )

    def _end(self, run: Run, hold: Hold) -> tuple[bool, Outcome]:
        attempt, steps = hold.attempt, hold.progress
        if run.stopped and hold.signal is Signal.CANCEL:
            return self._tell(lambda: self._ledger.stop(*attempt, progress=steps)), Outcome.CANCELED
        if run.stopped and hold.signal is Signal.EXPIRE:
            return self._tell(lambda: self._ledger.expire(*attempt, progress=steps)), Outcome.EXPIRED
        if run.stopped:
            return False, Outcome.LOST
        if run.later_s is not None:
            after_s = run.later_s
            return self._tell(lambda: self._ledger.release(*attempt, after_s=after_s)), Outcome.POSTPONED
        if run.error is not None:
            return self._end_failed(run, run.error)
        assert run.result is not None  # noqa: S101 - neither stopped nor failed
        stored = run.result.model_dump(mode="json")
        done = self._tell(lambda: self._ledger.complete(*attempt, stored, run.outputs, progress=steps))
        return done, Outcome.SUCCEEDED

    def _end_failed(self, run: Run, raised: BrushworkError) -> tuple[bool, Outcome]:
        attempt, error = run.hold.attempt, JobError.of(raised)
        again = self._retries.decide(run.claim, raised)
        if again is None:
            steps = run.hold.progress
            return self._tell(lambda: self._ledger.fail(*attempt, error, progress=steps)), Outcome.FAILED
        LOGGER.info("Job %s runs again in %.1f s", run.claim.job_id, again.after_s)
        return self._tell(lambda: self._ledger.retry(*attempt, error, **asdict(again))), Outcome.RETRIED

    def _tell(self, write: Callable[[], bool]) -> bool:
        try:
            return self._patiently(write)
        except ServiceUnreachable as error:
            LOGGER.error("The end of an attempt could not be written; it will run again: %s", error)
            return False

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """The ledger's answer, asked for again while the database is away and a lease may still be ours."""
        give_up = time.monotonic() + self._lease_s
        pause_s = FIRST_RETRY_S
        while True:
            try:
                return ask()
            except ServiceUnreachable:
                if time.monotonic() > give_up:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)


def _guarded(step: Callable[[Run], Run], run: Run) -> Run:
    if run.is_off:
        return run
    try:
        return step(run)
    except JobStopped:
        return replace(run, stopped=True)
    except NotYet as wait:
        return replace(run, later_s=wait.after_s)
    # SystemExit and MemoryError included: on Celery's thread pool either would kill the slot for ever.
    except BaseException as error:
        LOGGER.warning("Job %s failed in attempt %d", run.claim.job_id, run.claim.attempt, exc_info=True)
        return replace(run, error=sorted_error(error))
