"""The path of one job in a worker, from the message to the end of the attempt."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Claim, Ledger, Signal, WriteOutcome
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.telemetry.log import bound
from brushwork_core.telemetry.trace_context import TraceContext
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import BrushworkError, DeviceFailed, JobStopped, ServiceUnreachable
from brushwork_schemas.job import JobError
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Provenance, Result, Timings

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.job_context import AttemptContext
from brushwork_workers.execution.metrics import Metrics
from brushwork_workers.execution.retries import Retries, sorted_error
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.model_cache.model_manager import ModelManager
from brushwork_workers.model_cache.turn import NotYet, Turn
from brushwork_workers.models.revision import versions
from brushwork_workers.supervision.heartbeat import Heartbeat

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
    attempt: Attempt
    context: AttemptContext
    # What is left at the end of the attempt.
    inside: ExitStack
    began: float
    request: Request | None = None
    loaded_model: LoadedModel | None = None
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
        model_manager: Holds the models.
        heartbeat: Keeps the leases alive.
        model_executor: Through which the models are called.
        exclusive_gate: Lets jobs in together, or one alone.
        retries: What becomes of an attempt that failed.
        on_broken: Called when the device has failed; it has all that runs taken back, and ends the process.
        lease_s: How long to go on asking a ledger that does not answer.
        metrics: Counts what becomes of attempts.
        checkpoints: Where it is written how far trainings are.
    """

    def __init__(
        self,
        *,
        worker: str,
        ledger: Ledger,
        store: ArtifactStore,
        model_manager: ModelManager,
        heartbeat: Heartbeat,
        model_executor: ModelExecutor,
        exclusive_gate: ExclusiveGate,
        retries: Retries,
        on_broken: Callable[[], None],
        lease_s: float,
        metrics: Metrics,
        checkpoints: JobCheckpoints,
    ) -> None:
        self._worker = worker
        self._ledger = ledger
        self._store = store
        self._model_manager = model_manager
        self._heartbeat = heartbeat
        self._model_executor = model_executor
        self._exclusive_gate = exclusive_gate
        self._retries = retries
        self._on_broken = on_broken
        self._lease_s = lease_s
        self._metrics = metrics
        self._checkpoints = checkpoints

    def execute(self, job_id: str) -> Outcome:
        """Claim the job and bring the attempt to its end. Raises nothing that a job can cause."""
        # Claimed inside: who only waits for one that has to be alone is not to hold a lease.
        with self._exclusive_gate.together():
            try:
                claim = self._patiently(lambda: self._ledger.claim(job_id, self._worker))
            except ServiceUnreachable as error:
                LOGGER.error(
                    "Job %s could not be claimed; it waits in the ledger: %s",
                    job_id,
                    error,
                    extra={"job": job_id},
                )
                return Outcome.LOST
            if claim is None:
                self._metrics.dropped()
                return Outcome.DROPPED
            if not claim.alone:
                return self._attempt(claim)
        return self._attempt(claim)

    def _attempt(self, claim: Claim) -> Outcome:
        attempt = Attempt(claim)
        self._metrics.claimed(claim)
        with self._about(claim), self._heartbeat.holding(attempt), ExitStack() as inside:
            context = AttemptContext(attempt, self._store, self._checkpoints)
            run = Run(claim, attempt, context, inside, began=time.monotonic())
            run = _guarded(self._prepare, run)
            run = _guarded(self._perform, run)
            outcome = self._finish(run)
            self._note(run, outcome)
            return outcome

    def _about(self, claim: Claim) -> AbstractContextManager[None]:
        """What every line of the log says that is written for this attempt."""
        trace = TraceContext.read(claim.traceparent)
        return bound(
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
        model = self._model_manager.named(claim.model, claim.kind)
        loaded_model = run.inside.enter_context(self._model_manager.borrow(model, self._turn(run)))
        return replace(run, request=request, loaded_model=loaded_model, ready=time.monotonic())

    def _turn(self, run: Run) -> Turn:
        key = run.attempt.key
        return Turn(
            run.attempt,
            run.inside,
            self._exclusive_gate,
            perform=lambda: self._patiently(lambda: self._ledger.perform(*key)),
            rest=lambda: self._patiently(lambda: self._ledger.rest(*key)),
        )

    def _perform(self, run: Run) -> Run:
        assert run.loaded_model is not None  # noqa: S101 - set by the step before
        assert run.request is not None  # noqa: S101 - as above
        alone, attempt = run.request.deterministic, run.attempt
        with self._model_executor.job(attempt, model=run.claim.model, alone=alone, on_move=attempt.move):
            made = run.loaded_model.handlers[run.claim.kind].perform(run.request, run.context)
        result_type = kind_named(run.claim.kind).result_type
        result = result_type(**made, provenance=self._provenance(run, run.loaded_model))
        return replace(run, result=result, outputs=tuple(run.context.outputs))

    def _provenance(self, run: Run, loaded_model: LoadedModel) -> Provenance:
        return Provenance(
            model=loaded_model.model.name,
            model_revision=loaded_model.revision,
            versions=versions(),
            device=loaded_model.device,
            dtype=loaded_model.dtype,
            worker=self._worker,
            attempt=run.claim.attempt,
            timings=Timings(
                queued_s=run.claim.queued_s,
                loading_s=run.ready - run.began + run.context.reading_s,
                running_s=time.monotonic() - run.ready - run.context.reading_s,
            ),
        )

    def _finish(self, run: Run) -> Outcome:
        is_broken = isinstance(run.error, DeviceFailed)
        if is_broken and self._is_beside_others(run):
            # Whose fault it was nobody can tell: as after a death, all that ran here are suspects.
            self._on_broken()
            return Outcome.LOST
        ended, outcome = self._end(run, run.attempt)
        if is_broken:
            self._on_broken()
        return outcome if ended is WriteOutcome.APPLIED else Outcome.LOST

    def _is_beside_others(self, run: Run) -> bool:
        # One that has to be alone and is not this one only waits.
        return not run.claim.alone and any(
            other is not run.attempt and not other.claim.alone for other in self._heartbeat.attempts()
        )

    def _end(self, run: Run, attempt: Attempt) -> tuple[WriteOutcome, Outcome]:
        key, steps = attempt.key, attempt.progress
        if run.stopped and attempt.signal is Signal.CANCEL:
            return self._tell(lambda: self._ledger.stop(*key, progress=steps)), Outcome.CANCELED
        if run.stopped and attempt.signal is Signal.EXPIRE:
            return self._tell(lambda: self._ledger.expire(*key, progress=steps)), Outcome.EXPIRED
        if run.stopped:
            return WriteOutcome.LEASE_LOST, Outcome.LOST
        if run.later_s is not None:
            after_s = run.later_s
            return self._tell(lambda: self._ledger.release(*key, after_s=after_s)), Outcome.POSTPONED
        if run.error is not None:
            return self._end_failed(run, run.error)
        assert run.result is not None  # noqa: S101 - neither stopped nor failed
        stored = run.result.model_dump(mode="json")
        done = self._tell(lambda: self._ledger.complete(*key, stored, run.outputs, progress=steps))
        return done, Outcome.SUCCEEDED

    def _end_failed(self, run: Run, raised: BrushworkError) -> tuple[WriteOutcome, Outcome]:
        key, error = run.attempt.key, JobError.of(raised)
        again = self._retries.decide(run.claim, raised)
        if again is None:
            steps = run.attempt.progress
            return self._tell(lambda: self._ledger.fail(*key, error, progress=steps)), Outcome.FAILED
        LOGGER.info("Job %s runs again in %.1f s", run.claim.job_id, again.after_s)
        return self._tell(lambda: self._ledger.retry(*key, error, **asdict(again))), Outcome.RETRIED

    def _tell(self, write: Callable[[], WriteOutcome]) -> WriteOutcome:
        try:
            return self._patiently(write)
        except ServiceUnreachable as error:
            LOGGER.error("The end of an attempt could not be written; it will run again: %s", error)
            return WriteOutcome.LEASE_LOST

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
