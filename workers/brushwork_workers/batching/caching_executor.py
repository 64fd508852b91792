"""A `ModelExecutor` that answers repeated calls of text encoders from a cache."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from brushwork_workers.batching.arguments import owner_of
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.engine_use import OnEngines
from brushwork_workers.batching.model_executor import ModelExecutor, StopCheck
from brushwork_workers.batching.prompt_cache import KeptAnswer, PromptCache, PromptKey

_T = TypeVar("_T")


@dataclass
class _CachingJob:
    """The job of a thread, as it was given to `job`, and what ran the modules of its last call."""

    stop: StopCheck
    is_alone: bool
    on_progress: Callable[[], None]
    on_engines: OnEngines
    engines: dict[str, frozenset[str]] = field(default_factory=dict)

    def note(self, names: Mapping[str, set[str]]) -> None:
        self.engines = {module: frozenset(each) for module, each in names.items()}
        self.on_engines(names)


class CachingExecutor:
    """Passes calls on to another `ModelExecutor`, unless the cache has the answer.

    Only calls with `CallOptions.keeps_answers` use the cache, and only inside `job`: a warm-up has to run the
    module. A call that fails leaves nothing in the cache.

    Args:
        own: Runs the calls.
        cache: Keeps the answers.
        shares_batches: Whether `own` may run calls of several jobs as one.
    """

    def __init__(self, own: ModelExecutor, cache: PromptCache, *, shares_batches: bool = True) -> None:
        self._own = own
        self._cache = cache
        self._shares_batches = shares_batches
        # Not a variable of the thread: a pipeline may run in another thread than its job.
        self._job: ContextVar[_CachingJob | None] = ContextVar("caching job", default=None)

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return the answer from the cache, or run the call. See `ModelExecutor.call`."""
        job = self._job.get()
        key = None
        if options.keeps_answers and job is not None:
            key = PromptKey.of(options, function, args, kwargs)
        if job is None or key is None:
            return self._own.call(options, function, *args, **kwargs)
        job.stop.check()
        is_alone = job.is_alone or not self._shares_batches
        kept = self._cache.get(key, options.label, alone=is_alone)
        if kept is None:
            answer = self._own.call(options, function, *args, **kwargs)
            kept = KeptAnswer.of(answer, job.engines, is_alone=is_alone)
            if kept is not None:
                self._cache.put(key, owner_of(function), kept)
            return answer
        job.on_progress()
        job.on_engines({module: set(names) for module, names in kept.engines.items()})
        return kept.copy()

    @contextmanager
    def job(
        self,
        stop: StopCheck,
        *,
        model: Hashable = None,
        priority: int = 0,
        alone: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        on_engines: OnEngines = lambda names: None,
    ) -> Iterator[None]:
        """Surround the calls of a job. See `ModelExecutor.job`."""
        job = _CachingJob(stop, alone, on_progress, on_engines)
        own = self._own.job(
            stop,
            model=model,
            priority=priority,
            alone=alone,
            on_progress=on_progress,
            on_engines=self._note,
        )
        with own, self._current(job):
            yield

    @contextmanager
    def _current(self, job: _CachingJob) -> Iterator[None]:
        token = self._job.set(job)
        try:
            yield
        finally:
            self._job.reset(token)

    def _note(self, names: Mapping[str, set[str]]) -> None:
        if (job := self._job.get()) is not None:
            job.note(names)

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a function that makes many calls. See `ModelExecutor.run`."""
        return self._own.run(function)

    def run_beside(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Run functions of the current job at once. See `ModelExecutor.run_beside`."""
        job = self._job.get()
        if job is None:
            return self._own.run_beside(functions, on_done=on_done)
        # What has run the last call is noted for each function.
        each = [partial(self._beside, replace(job), function) for function in functions]
        return self._own.run_beside(each, on_done=on_done)

    def _beside(self, job: _CachingJob, function: Callable[[], _T]) -> _T:
        with self._current(job):
            return function()

    def close(self) -> None:
        """End the background thread of the other executor."""
        self._own.close()
