"""Run several jobs of one model in one thread: prepare each, call the model once, end them together.

Each job is a generator that stops where the others have to catch up. Everything else is its own: its claim
and fence, its context, its log lines, its errors, and what becomes of it.
"""

import logging
import math
import time
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from brushwork_core.ledger import Claim, Completion, WriteOutcome
from brushwork_core.ledger.transitions import STEPS
from brushwork_schemas.errors import JobStopped, OutOfMemory

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.device.failures import coded_error
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.engines_used import EnginesUsed
from brushwork_workers.interface import StepwiseHandler
from brushwork_workers.model_cache.loaded_model import LoadedModel

LOGGER = logging.getLogger(__name__)
# A job that takes longer to begin waits for something, or has a large picture. The others need not wait.
SLOW_S = 0.25
# More save little: what a group shares is a tenth of what each job costs. They would end later.
MOST_TOGETHER = 16


@dataclass(frozen=True)
class Ready:
    """The model of the job is loaded, and its calls may begin. The answer is what will have run them.

    Args:
        attempt: The attempt.
        alone: Whether its calls must not share a batch.
    """

    attempt: Attempt
    alone: bool


@dataclass(frozen=True)
class Prepared:
    """The job needs the answer of its model, and what has computed it (`EnginesUsed`).

    Args:
        handler: Calls the model.
        inputs: What `prepared` of the handler returned.
    """

    handler: StepwiseHandler
    inputs: Any


Step = Ready | Prepared | Completion
"""Where a job stops. A completion is answered with the future of its outcome."""
Outcomes = Sequence[Future[WriteOutcome]]
_Outcome = TypeVar("_Outcome")


class JobGroup(Generic[_Outcome]):
    """Runs jobs together. For one thread, once.

    Args:
        steps: Starts a job.
        complete: Ends jobs as succeeded, in one transaction.
        model_executor: Runs the calls of the model.
        on_failure: Called with the jobs whose common call has failed, and the error.
    """

    def __init__(
        self,
        steps: Callable[[Claim], Generator[Step, Any, _Outcome]],
        complete: Callable[[Sequence[Completion]], Outcomes],
        model_executor: ModelExecutor,
        on_failure: Callable[[Sequence[Claim], BaseException], None] = lambda claims, error: None,
    ) -> None:
        self._steps = steps
        self._complete = complete
        self._model_executor = model_executor
        self._on_failure = on_failure
        self._stop = _AllStopped()
        self._engines = EnginesUsed()

    def run(self, claims: Sequence[Claim]) -> tuple[list[_Outcome], tuple[Claim, ...]]:
        """Run jobs of one kind, model and priority.

        Returns:
            What became of those that ran, and those that have not begun, because another was slow.
        """
        members: list[_Member[_Outcome]] = []
        with ExitStack() as calls:
            for claim in claims:
                began = time.monotonic()
                members.append(_Member(claim, self._steps(claim)))
                self._begin(members[-1], calls)
                if time.monotonic() - began > SLOW_S:
                    break
                self._stop.touch()
            answers = self._answers([each for each in members if isinstance(each.step, Prepared)])
        for member, answer in answers:
            member.throw(answer) if isinstance(answer, _Failed) else member.send(answer)
        self._end([each for each in members if isinstance(each.step, Completion)])
        for member in members:
            if member.error is not None and len(claims) == 1:
                raise member.error
            if member.error is not None:
                job_id = member.claim.job_id
                LOGGER.error("Job %s: the others go on", job_id, exc_info=member.error, extra={"job": job_id})
        return [member.outcome for member in members if member.error is None], tuple(claims[len(members) :])

    def _begin(self, member: "_Member[_Outcome]", calls: ExitStack) -> None:
        member.send(None)
        if not isinstance(ready := member.step, Ready):
            return
        self._stop.add(ready.attempt)
        if len(self._stop.attempts) == 1:
            calls.enter_context(self._calls(ready))
        member.send(None)

    def _calls(self, first: Ready) -> AbstractContextManager[None]:
        claim = first.attempt.claim
        return self._model_executor.job(
            self._stop,
            model=claim.model,
            priority=STEPS[claim.priority],
            alone=first.alone,
            on_progress=self._stop.touch,
            on_engines=lambda names: self._engines.add(names),
        )

    def _answers(self, members: Sequence["_Member[_Outcome]"]) -> list[tuple["_Member[_Outcome]", Any]]:
        """The answer of each member, or its failure. If the common call fails, each gets its own."""
        if len(members) > 1:
            try:
                answers = _called([each.step for each in members])
            except JobStopped:
                pass
            # MemoryError and SystemExit, too, as for a job that runs alone.
            except BaseException as error:
                LOGGER.warning(
                    "The common call of %d jobs failed; each has a call of its own now: %r",
                    len(members),
                    error,
                )
                self._on_failure([each.claim for each in members], error)
            else:
                return [
                    (each, (answer, self._engines)) for each, answer in zip(members, answers, strict=True)
                ]
        return [(each, self._answer_alone(each)) for each in members]

    def _answer_alone(self, member: "_Member[_Outcome]") -> Any:
        self._engines = EnginesUsed()
        try:
            return _called([member.step])[0], self._engines
        except BaseException as error:
            return _Failed(error)

    def _end(self, members: Sequence["_Member[_Outcome]"]) -> None:
        if members:
            outcomes = self._complete([each.step for each in members if isinstance(each.step, Completion)])
            for member, outcome in zip(members, outcomes, strict=True):
                member.send(outcome)


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Member(Generic[_Outcome]):
    """One job of the group. Its context is its own: the log, and on whose behalf pictures are decoded."""

    outcome: _Outcome

    def __init__(self, claim: Claim, steps: Generator[Step, Any, _Outcome]) -> None:
        self.claim = claim
        self._steps = steps
        self._context = copy_context()
        self.step: Step | None = None
        self.error: Exception | None = None

    def send(self, answer: Any) -> None:
        self._go_on(lambda: self._steps.send(answer))

    def throw(self, failed: _Failed) -> None:
        self._go_on(lambda: self._steps.throw(failed.error))

    def _go_on(self, go_on: Callable[[], Step]) -> None:
        self.step = None
        try:
            self.step = self._context.run(go_on)
        except StopIteration as end:
            self.outcome = end.value
        except Exception as error:
            # Not the fault of the others, which go on.
            self.error = error


class _AllStopped:
    """Tells whether all jobs of a group must stop: a common call serves those that need not."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._callbacks: list[Callable[[], None]] = []

    def add(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        attempt.on_stop(self._stopped)

    def touch(self) -> None:
        for attempt in self.attempts:
            attempt.touch()

    def check(self) -> None:
        self.touch()
        if self._must_stop():
            self.attempts[0].raise_if_stopped()

    def on_stop(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        self._stopped()

    def _stopped(self) -> None:
        if self._must_stop():
            for callback in self._callbacks:
                callback()

    def _must_stop(self) -> bool:
        return all(attempt.is_stopped for attempt in self.attempts)


def _called(steps: Sequence[Step | None]) -> Sequence[Any]:
    """Call the model for jobs of one handler."""
    prepared = [step for step in steps if isinstance(step, Prepared)]
    return prepared[0].handler.answers([each.inputs for each in prepared])


def _is_apart(claim: Claim) -> bool:
    """Return whether the job needs identical bytes, or many calls for an explanation."""
    return bool(claim.request.get("deterministic") or claim.request.get("explain"))


class JobGroups:
    """Divides claimed jobs into groups. Jobs of a group have the same kind, model and priority.

    A job runs alone if it has to be alone, if it needs identical bytes, if it explains its result, if its
    model is not loaded, or if the handler does more than one call of its model (see `StepwiseHandler`).

    Args:
        loaded: Returns a model that is loaded.
        max_rows: Most rows of one batch.
        max_pixels: Most pixels of one batch.
    """

    def __init__(
        self,
        loaded: Callable[[str], LoadedModel | None],
        *,
        max_rows: int = MOST_TOGETHER,
        max_pixels: float = math.inf,
    ) -> None:
        self._loaded = loaded
        self._max_rows = min(max_rows, MOST_TOGETHER)
        self._max_pixels = max_pixels
        # Fewer where the memory did not suffice, by the name of the model.
        self._fitting: dict[str, int] = {}

    def divided(self, claims: Sequence[Claim]) -> list[tuple[Claim, ...]]:
        """Return the groups, each with at least one job, in the order of their first jobs."""
        groups: list[list[Claim]] = []
        open_groups: dict[Hashable, list[Claim]] = {}
        for claim in claims:
            key = (claim.kind, claim.model, claim.priority)
            most = 1 if claim.alone or _is_apart(claim) else self._most_of(claim)
            group = open_groups.get(key, [])
            if most == 1 or not group or len(group) >= most:
                group = []
                groups.append(group)
                if most > 1:
                    open_groups[key] = group
            group.append(claim)
        return [tuple(group) for group in groups]

    def note_failure(self, claims: Sequence[Claim], error: BaseException) -> None:
        """Make the next groups smaller, if the common call of this one had not enough memory.

        Args:
            claims: The group.
            error: What the call raised.
        """
        if isinstance(coded_error(error), OutOfMemory):
            self._fitting[claims[0].model] = max(1, len(claims) // 2)

    def _most_of(self, claim: Claim) -> int:
        loaded = self._loaded(claim.model)
        handler = None if loaded is None else loaded.handlers.get(claim.kind)
        if loaded is None or not isinstance(handler, StepwiseHandler):
            return 1
        fitting = self._fitting.get(claim.model, self._max_rows)
        by_pixels = int(min(self._max_rows, self._max_pixels / handler.row_pixels))
        return max(1, min(fitting, by_pixels, self._max_rows, loaded.model.max_batch or self._max_rows))
