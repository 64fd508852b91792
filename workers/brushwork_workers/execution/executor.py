"""The path of a claimed job in a worker: wait for the model, begin, load, perform, finish."""

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import asdict
from typing import Any, TypeVar

from brushwork_core.ledger import Claim, Completion, Ledger, Signal, WriteOutcome
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.ledger.grouped_completions import GroupedCompletions
from brushwork_core.ledger.transitions import STEPS
from brushwork_core.media.decoders.current import on_behalf_of
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import PolicySet
from brushwork_core.provenance.picture_writer import PictureWriter
from brushwork_core.telemetry.log import bound
from brushwork_core.telemetry.trace_context import TraceContext
from brushwork_schemas.errors import (
    ArtifactMissing,
    BrushworkError,
    DeviceFailed,
    JobStopped,
    ServiceUnreachable,
)
from brushwork_schemas.job import JobError
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Timings

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.device.failures import coded_error
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.attempt_files import AttemptFiles, AwayTooLong, FileAccess
from brushwork_workers.execution.attempt_result import (
    AttemptCompleted,
    AttemptFailed,
    AttemptPostponed,
    AttemptResult,
    AttemptStopped,
    AttemptUnserved,
    Outcome,
)
from brushwork_workers.execution.attempt_start import AttemptStart
from brushwork_workers.execution.engines_used import EnginesUsed, provenance_of
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.explained_result import check_explained, is_explained
from brushwork_workers.execution.job_context import AttemptContext
from brushwork_workers.execution.job_group import JobGroup, JobGroups, Prepared, Ready, Step
from brushwork_workers.execution.metrics import JobMetrics
from brushwork_workers.execution.new_pictures import NewPictures, PictureOrigin
from brushwork_workers.execution.policies.picture_scores import PictureScores
from brushwork_workers.execution.policies.worker_policies import WorkerPolicies
from brushwork_workers.execution.retries import RetryPolicy
from brushwork_workers.execution.running_attempts import RunningAttempts
from brushwork_workers.execution.service_health import ServiceHealth
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.execution.task_events import TaskEvents
from brushwork_workers.interface import Handler, StepwiseHandler
from brushwork_workers.model_cache.load_postponed import LoadPostponed
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.model_cache.model_manager import ModelManager

LOGGER = logging.getLogger(__name__)
# A job that needs a service which is away may be claimed again after so long, by a worker that reaches it.
UNSERVED_PAUSE_S = 1.0
_Value = TypeVar("_Value")
Steps = Generator[Step, Any, _Value]


class Executor:
    """Runs claimed jobs.

    Args:
        worker: Name of this process in the ledger.
        ledger: Grants and ends attempts.
        files: Reads inputs, and writes or holds outputs.
        checkpoints: Records the checkpoints of jobs.
        model_manager: Loads the models.
        model_executor: Runs the heavy calls of the models.
        running: Registers the attempts that run, so that their leases are renewed.
        exclusive_gate: Lets jobs run at the same time, or one alone.
        retry_policy: Decides whether a failed attempt is followed by another.
        on_broken: Called when the device has failed. It gives all running jobs back and ends the process.
        services: Know which services are away.
        patience: Repeats ledger calls while the database cannot be reached.
        metrics: Counts attempts.
        events: Tells Celery's monitors how jobs begin and end.
        decoder: Decodes input pictures and checks archives; None for this process.
        groups: Chooses the jobs that run together in one thread.
        picture_writer: Writes the files of new pictures; None for one with the default settings.
        policies: Decide about requests before they run; None for no policies.
    """

    def __init__(
        self,
        *,
        worker: str,
        ledger: Ledger,
        files: FileAccess,
        checkpoints: JobCheckpoints,
        model_manager: ModelManager,
        model_executor: ModelExecutor,
        running: RunningAttempts,
        exclusive_gate: ExclusiveGate,
        retry_policy: RetryPolicy,
        on_broken: Callable[[], None],
        services: ServiceHealth,
        patience: ServicePatience,
        metrics: JobMetrics,
        events: TaskEvents | None = None,
        decoder: Decoder | None = None,
        groups: JobGroups | None = None,
        picture_writer: PictureWriter | None = None,
        policies: WorkerPolicies | None = None,
    ) -> None:
        self._picture_writer = picture_writer
        self._scores = PictureScores(model_manager, model_executor, ledger, patience, exclusive_gate)
        self._policies = policies or WorkerPolicies(PolicySet(), DecisionLog())
        self._decoder = decoder
        self._events = events or TaskEvents()
        self._worker = worker
        self._ledger = ledger
        self._completions = GroupedCompletions(ledger)
        self._files = files
        self._checkpoints = checkpoints
        self._model_manager = model_manager
        self._model_executor = model_executor
        self._running = running
        self._exclusive_gate = exclusive_gate
        self._retry_policy = retry_policy
        self._on_broken = on_broken
        self._services = services
        self._patience = patience
        self._metrics = metrics
        self.groups = groups or JobGroups(model_manager.loaded)

    def run(self, claim: Claim) -> Outcome:
        """Run one attempt of a claimed job, which the gate has admitted. Raises nothing that it can cause."""
        return self._group().run((claim,))[0][0]

    def run_together(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Run attempts that `groups` has put together, and return those that have not begun.

        A job that takes long to begin delays the others, which are better run by other threads then.
        """
        return self._group().run(claims)[1]

    def _group(self) -> JobGroup[Outcome]:
        return JobGroup(
            self._steps, self._completions.complete_together, self._model_executor, self.groups.note_failure
        )

    def _steps(self, claim: Claim) -> Steps[Outcome]:
        try:
            self._events.started(claim)
            return (yield from self._run(Attempt(claim)))
        finally:
            self._exclusive_gate.leave(alone=claim.alone)

    def _run(self, attempt: Attempt) -> Steps[Outcome]:
        began = time.monotonic()
        files, tracked = AttemptFiles(attempt, self._files), self._running.tracked(attempt)
        # The model and the gate are held until the end of the attempt is written, or its files wait for the
        # store.
        with self._log_context(attempt.claim), tracked, closing(files), ExitStack() as held:
            result = yield from self._result(attempt, files, held)
            if isinstance(result, AttemptCompleted) and files.has_waiting:
                result = self._delivered(attempt, files, result, held)
            outcome = yield from self._finish(attempt, result)
            LOGGER.info("Job %s: %s after %.3f s", attempt.claim.job_id, outcome, time.monotonic() - began)
            self._count(attempt.claim, result, outcome)
            self._announce(attempt.claim, outcome, time.monotonic() - began)
        return outcome

    def _log_context(self, claim: Claim) -> AbstractContextManager[None]:
        trace = TraceContext.read(claim.traceparent)
        return bound(
            job=claim.job_id,
            kind=claim.kind,
            attempt=claim.attempt,
            worker=self._worker,
            trace=trace and trace.trace_id,
        )

    def _result(self, attempt: Attempt, files: AttemptFiles, held: ExitStack) -> Steps[AttemptResult]:
        try:
            return (yield from self._work(attempt, files, held))
        except JobStopped:
            return AttemptStopped(attempt.signal)
        except LoadPostponed as postponed:
            return AttemptPostponed(postponed.after_s)
        # SystemExit and MemoryError, too: either would end a thread of Celery's pool for ever.
        except BaseException as error:
            claim, coded = attempt.claim, coded_error(error)
            if self._services.is_to_blame(coded):
                LOGGER.info(
                    "Job %s goes back to the queue, and no attempt is charged: %s", claim.job_id, coded
                )
                return AttemptUnserved(coded)
            LOGGER.warning("Job %s failed in attempt %d", claim.job_id, claim.attempt, exc_info=True)
            return AttemptFailed(coded)

    def _delivered(
        self, attempt: Attempt, files: AttemptFiles, completed: AttemptCompleted, held: ExitStack
    ) -> AttemptResult:
        """Wait until the store takes the files of a finished job. Neither the model nor the gate is held."""
        LOGGER.warning("Job %s is finished; its files wait for the artifact store", attempt.claim.job_id)
        held.close()
        try:
            self._note_wait(attempt, files.reason)
            files.deliver()
        except JobStopped:
            return AttemptStopped(attempt.signal)
        except AwayTooLong as away:
            return AttemptFailed(away.error, is_final=True)
        except ServiceUnreachable as error:
            return AttemptUnserved(error) if self._services.is_to_blame(error) else AttemptFailed(error)
        return completed

    def _note_wait(self, attempt: Attempt, reason: BrushworkError | None) -> None:
        """Note that a finished job waits: if the worker dies now, its attempt is not charged."""
        key, error = attempt.key, None if reason is None else JobError.of(reason)
        written = self._patience.write(attempt, lambda: self._ledger.rest(*key, error=error))
        if written is WriteOutcome.LEASE_LOST:
            attempt.receive(Signal.LOST)

    def _work(self, attempt: Attempt, files: AttemptFiles, held: ExitStack) -> Steps[AttemptCompleted]:
        claim, began = attempt.claim, time.monotonic()
        request = kind_named(claim.kind).request_type.model_validate(claim.request)
        verdict = self._policies.admit(claim)
        model = self._model_manager.named(claim.model, claim.kind)
        start = AttemptStart(attempt, self._ledger, self._patience, self._exclusive_gate)
        reservation = held.enter_context(self._model_manager.reserve(model, start.while_waiting))
        held.enter_context(start.begun())
        loaded_model = self._model_manager.load(reservation, start.while_loading)
        origin = PictureOrigin(kind_named(claim.kind), request, claim.model, loaded_model.revision)
        new_pictures = NewPictures(self._picture_writer, origin)
        new_pictures.check()
        context = AttemptContext(
            attempt, files, self._checkpoints, self._patience, new_pictures, is_judged=verdict.is_needed
        )
        loading_s = time.monotonic() - began
        completed = yield from self._perform(attempt, context, request, loaded_model, loading_s=loading_s)
        if not verdict.is_needed:
            return completed
        if self._policies.needs_models(verdict):
            # The classifiers may need the memory of the model.
            held.close()
        return self._policies.judge(attempt, completed, verdict, context, self._scores)

    def _perform(
        self,
        attempt: Attempt,
        context: AttemptContext,
        request: Request,
        loaded_model: LoadedModel,
        *,
        loading_s: float,
    ) -> Steps[AttemptCompleted]:
        claim, began = attempt.claim, time.monotonic()
        handler = loaded_model.handler_of(claim.kind)
        if isinstance(handler, StepwiseHandler) and not is_explained(request):
            fields, engines = yield from self._fields_in_steps(attempt, context, request, handler)
        else:
            fields, engines = self._fields(attempt, context, request, handler)
        check_explained(fields, request, claim.model)
        timings = Timings(
            queued_s=claim.queued_s,
            loading_s=loading_s + context.reading_s,
            running_s=time.monotonic() - began - context.reading_s,
        )
        result_type = kind_named(claim.kind).result_type
        provenance = provenance_of(
            claim, self._worker, loaded_model, timings, engines, context.num_denoiser_calls
        )
        # The result type of a plug-in may have a field `warnings` of its own.
        result = result_type(**{"warnings": tuple(context.warnings), **fields}, provenance=provenance)
        return AttemptCompleted(result, tuple(context.outputs), tuple(context.prints))

    def _fields(
        self, attempt: Attempt, context: AttemptContext, request: Request, handler: Handler
    ) -> tuple[dict[str, Any], EnginesUsed]:
        claim, engines = attempt.claim, EnginesUsed()
        job = self._model_executor.job(
            attempt,
            model=claim.model,
            priority=STEPS[claim.priority],
            alone=request.deterministic,
            on_progress=attempt.touch,
            on_engines=engines.add,
        )
        with job, on_behalf_of(claim.job_id, self._decoder):
            return handler.perform(request, context), engines

    def _fields_in_steps(
        self, attempt: Attempt, context: AttemptContext, request: Request, handler: StepwiseHandler
    ) -> Steps[tuple[dict[str, Any], EnginesUsed]]:
        yield Ready(attempt, alone=request.deterministic)
        with on_behalf_of(attempt.claim.job_id, self._decoder):
            inputs = handler.prepared(request, context)
        answer, engines = yield Prepared(handler, inputs)
        # The call went on for the others of the group.
        attempt.check()
        return handler.result(request, context, answer), engines

    def _finish(self, attempt: Attempt, result: AttemptResult) -> Steps[Outcome]:
        is_broken = isinstance(result, AttemptFailed) and isinstance(result.error, DeviceFailed)
        if is_broken and self._has_others(attempt):
            # Any of the running jobs may be the cause. As after a death, all of them become suspects.
            self._on_broken()
            return Outcome.LOST
        outcome = yield from self._end(attempt, result)
        if is_broken:
            self._on_broken()
        return outcome

    def _has_others(self, attempt: Attempt) -> bool:
        # Another attempt that has to be alone only waits.
        return not attempt.claim.alone and any(
            other is not attempt and not other.claim.alone for other in self._running.attempts()
        )

    def _end(self, attempt: Attempt, result: AttemptResult) -> Steps[Outcome]:
        key, progress, ledger = attempt.key, attempt.progress, self._ledger
        match result:
            case AttemptCompleted(made, outputs, prints, because):
                stored = Completion(
                    *key, made.model_dump(mode="json"), tuple(outputs), progress, prints, because
                )
                # Written with the ends of the other jobs of the group, and alone where that fails.
                written: deque[Future[WriteOutcome]] = deque([(yield stored)])
                try:
                    return self._write(
                        attempt,
                        Outcome.SUCCEEDED if because is None else Outcome.HELD,
                        lambda: written.pop().result() if written else self._completions.complete(stored),
                    )
                except ArtifactMissing as error:
                    # An equal file went with another job, which was deleted just now. The job runs again.
                    return self._end_failed(attempt, error)
            case AttemptFailed(error, is_final):
                return self._end_failed(attempt, error, is_final=is_final)
            case AttemptPostponed(after_s):
                return self._write(attempt, Outcome.POSTPONED, lambda: ledger.release(*key, after_s=after_s))
            case AttemptUnserved(error):
                pause_s, reason = UNSERVED_PAUSE_S, JobError.of(error)
                return self._write(
                    attempt, Outcome.UNSERVED, lambda: ledger.release(*key, after_s=pause_s, error=reason)
                )
            case AttemptStopped(Signal.CANCEL):
                return self._write(attempt, Outcome.CANCELED, lambda: ledger.stop(*key, progress=progress))
            case AttemptStopped(Signal.EXPIRE):
                return self._write(attempt, Outcome.EXPIRED, lambda: ledger.expire(*key, progress=progress))
            case AttemptStopped():
                return Outcome.LOST

    def _end_failed(self, attempt: Attempt, error: BrushworkError, *, is_final: bool = False) -> Outcome:
        key, progress, written = attempt.key, attempt.progress, JobError.of(error)
        again = None if is_final else self._retry_policy.next_attempt(attempt.claim, error)
        if again is None:
            return self._write(
                attempt, Outcome.FAILED, lambda: self._ledger.fail(*key, written, progress=progress)
            )
        LOGGER.info("Job %s runs again in %.1f s", attempt.claim.job_id, again.after_s)
        return self._write(
            attempt, Outcome.RETRIED, lambda: self._ledger.retry(*key, written, **asdict(again))
        )

    def _write(self, attempt: Attempt, outcome: Outcome, write: Callable[[], WriteOutcome]) -> Outcome:
        """Write the end of an attempt; `outcome` if it was written, else LOST."""
        try:
            written = self._patience.write(attempt, write)
        except ServiceUnreachable as error:
            LOGGER.error("The end of an attempt could not be written, so the job will run again: %s", error)
            return Outcome.LOST
        return outcome if written is WriteOutcome.APPLIED else Outcome.LOST

    def _announce(self, claim: Claim, outcome: Outcome, running_s: float) -> None:
        end = outcome.end_state
        if outcome.is_repeated:
            self._events.retried(claim.job_id, f"The job is {outcome.value}.")
        # The end of a job that came as a bare message stands in the outbox, with its callbacks.
        elif end is not None and claim.task_id is not None:
            self._events.noted()
        elif end is not None:
            self._events.ended(claim, end, running_s)

    def _count(self, claim: Claim, result: AttemptResult, outcome: Outcome) -> None:
        code, running_s = "", None
        if isinstance(result, AttemptFailed | AttemptUnserved):
            code = result.error.code
        if isinstance(result, AttemptCompleted) and outcome in (Outcome.SUCCEEDED, Outcome.HELD):
            running_s = result.result.provenance.timings.running_s
        self._metrics.ended(claim, outcome.name.lower(), code=code, running_s=running_s)
