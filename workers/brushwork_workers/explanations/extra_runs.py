"""Runs of a pipeline besides the job's own, of which the job tells nothing but progress."""

import threading
from typing import Any, cast

from brushwork_schemas.warnings import ResultWarning
from PIL import Image

from brushwork_workers.interface import JobContext


class RunSteps:
    """Counts the steps of all runs of one job. Safe to use from any thread.

    Args:
        context: The context of the job.
        num_extra: Number of runs besides the job's own.
    """

    def __init__(self, context: JobContext, num_extra: int) -> None:
        self._context = context
        self._num_runs = num_extra + 1
        self._steps_of_run = 0
        self._done = 0
        self._counting = threading.Lock()

    def own_run(self) -> JobContext:
        """Return the context of the job's own run."""
        return cast(JobContext, _OwnRun(self._context, self))

    def extra_run(self) -> JobContext:
        """Return a context for an extra run, which gives its inputs and keeps warnings and previews back."""
        return cast(JobContext, _ExtraRun(self._context, self))

    def note_own(self, step: int, total: int) -> None:
        """Note the steps of the job's own run, and stop if the job must stop."""
        with self._counting:
            self._steps_of_run, self._done = total, step
            self._report()

    def note_extra(self) -> None:
        """Note one more step of an extra run, and stop if the job must stop."""
        with self._counting:
            self._done += 1
            self._report()

    def note_ended(self, number: int) -> None:
        """Note that so many extra runs have ended, however many steps they had. For use as `on_done`."""
        with self._counting:
            self._done = max(self._done, self._steps_of_run * (number + 1))
            self._report()

    def _report(self) -> None:
        total = self._steps_of_run * self._num_runs
        self._context.progress(min(self._done, total), total)


class _OwnRun:
    """The context of a job whose steps are a part of all."""

    def __init__(self, context: JobContext, steps: RunSteps) -> None:
        self._context = context
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def progress(self, step: int, total: int) -> None:
        self._steps.note_own(step, total)


class _ExtraRun:
    """The context of a run whose result is not the job's: it warns of nothing and shows nothing."""

    def __init__(self, context: JobContext, steps: RunSteps) -> None:
        self._context = context
        self._steps = steps

    def picture(self, sha256: str) -> Image.Image:
        return self._context.picture(sha256)

    def progress(self, step: int, total: int) -> None:
        self._steps.note_extra()

    def check_stop(self) -> None:
        self._context.check_stop()

    def warn(self, warning: ResultWarning) -> None:
        return

    def denoiser_calls(self, computed: int, skipped: int) -> None:
        return

    def wants_preview(self) -> bool:
        return False
