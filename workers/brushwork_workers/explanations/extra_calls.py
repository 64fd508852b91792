"""How an explanation makes its calls: all at once, beside those of other jobs."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from brushwork_workers.interface import JobContext

OnDone = Callable[[int], None]
"""Called with the number of functions that have ended; see `ModelExecutor.run_beside`."""
_T = TypeVar("_T")


class RunBeside(Protocol):
    """`ModelExecutor.run_beside`: runs functions of the current job at once; each makes ordinary calls."""

    def __call__(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Return what the functions return, in their order."""
        ...


class CallProgress:
    """Reports the progress of a job with an explanation: one step for each call.

    Args:
        context: The context of the job.
        num_extra: Number of calls besides the job's own.
        num_own: Number of the job's own calls.
    """

    def __init__(self, context: JobContext, num_extra: int, num_own: int = 1) -> None:
        self._context = context
        self._total = num_extra + num_own
        self._done = 0

    def __call__(self, number: int = 1) -> None:
        """Note that one more call is done, and stop if the job must stop. For use as `on_done`.

        Args:
            number: Not read: a job calls `run_beside` several times, and each has a count of its own.
        """
        self._done += 1
        self._context.progress(min(self._done, self._total), self._total)
