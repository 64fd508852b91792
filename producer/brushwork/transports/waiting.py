"""Wait for one job: when to poll, what to report, when to give up. Used by all transports."""

import math
import time
from collections.abc import Callable

from brushwork_schemas.errors import WaitTimeout
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said

SHORTEST_POLL_S = 0.001
LONGEST_POLL_S = 0.25
ASK_FOR_PREVIEW_EVERY_S = 0.25


class PollingWait:
    """State of one `wait`: polls at growing intervals, reports each change once, ends at a time limit.

    Args:
        job_id: The job that is waited for.
        timeout_s: Time limit in seconds; None waits without limit.
        on_progress: Called with state and progress when they have changed.
        on_preview: Called with each new preview.
    """

    def __init__(
        self,
        job_id: str,
        timeout_s: float | None,
        on_progress: Callable[[JobState, Progress], None] | None,
        on_preview: Callable[[Preview], None] | None,
    ) -> None:
        self._job_id = job_id
        self._timeout_s = timeout_s
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._asked_at = -math.inf
        self._shown: Preview | None = None
        self._began = time.monotonic()
        self._seen: tuple[JobState, Progress] | None = None

    @property
    def is_silent(self) -> bool:
        """Whether there are no callbacks, so that only the end of the job matters."""
        return self._on_progress is None and self._on_preview is None

    @property
    def has_begun(self) -> bool:
        """Whether the job's state has been observed at least once."""
        return self._seen is not None

    def left_s(self) -> float:
        """Return the seconds until the time limit; infinity without one."""
        return math.inf if self._timeout_s is None else self._timeout_s - (time.monotonic() - self._began)

    def observe(self, state: JobState, progress: Progress) -> bool:
        """Report a change of state or progress, and return whether the job has ended."""
        if self._seen != (state, progress):
            self._seen = (state, progress)
            if self._on_progress:
                self._on_progress(state, progress)
        return state.is_terminal

    def wants_preview(self) -> bool:
        """Return whether to ask for a preview now."""
        if not self._on_preview or time.monotonic() - self._asked_at < ASK_FOR_PREVIEW_EVERY_S:
            return False
        return self._seen is not None and self._seen[0] is JobState.RUNNING

    def show(self, preview: Preview | None) -> None:
        """Report a preview that was asked for, unless it was reported before."""
        self._asked_at = time.monotonic()
        if self._on_preview and preview not in (None, self._shown):
            self._shown = preview
            self._on_preview(preview)

    def pause_s(self, shortest_s: float = SHORTEST_POLL_S, longest_s: float = LONGEST_POLL_S) -> float:
        """Return the seconds to sleep before the next poll: a tenth of the time waited so far, within bounds.

        Args:
            shortest_s: Lower bound, unless less time is left.
            longest_s: Upper bound.

        Raises:
            WaitTimeout: The time limit has passed.
        """
        waited_s = time.monotonic() - self._began
        # A tenth of the time waited: the end is noticed at most 10 % late.
        pause_s = min(max(waited_s / 10, shortest_s), longest_s)
        left_s = self.left_s()
        if left_s <= 0:
            raise WaitTimeout(
                said(
                    "Job {job_id} has not ended within {timeout_s} s. It continues.",
                    job_id=self._job_id,
                    timeout_s=self._timeout_s,
                ),
                hint="Wait again, or check that a worker of its kind is running: brushwork workers.",
                job_id=self._job_id,
            )
        return min(pause_s, left_s)
