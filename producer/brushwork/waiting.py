"""The rhythm of waiting for one job, for all clients."""

import math
import time
from collections.abc import Callable

from brushwork_schemas.errors import WaitTimeout
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState

SHORTEST_POLL_S = 0.001
LONGEST_POLL_S = 0.25
ASK_FOR_PREVIEW_EVERY_S = 0.25


class PollingWait:
    """The rhythm of waiting for one job: polls that grow longer, changes reported once, an end in time.

    Args:
        job_id: Which job.
        timeout_s: How long; None is for ever.
        on_progress: Hears of changes.
        on_preview: Sees previews.
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
        """Whether nobody wants to hear of anything but the end."""
        return self._on_progress is None and self._on_preview is None

    @property
    def has_begun(self) -> bool:
        """Whether the job has been seen at all."""
        return self._seen is not None

    def left_s(self) -> float:
        """How long it may still take."""
        return math.inf if self._timeout_s is None else self._timeout_s - (time.monotonic() - self._began)

    def is_over(self, state: JobState, progress: Progress) -> bool:
        """Report a change; say whether the job has ended."""
        if self._seen != (state, progress):
            self._seen = (state, progress)
            if self._on_progress:
                self._on_progress(state, progress)
        return state.is_terminal

    def wants_preview(self) -> bool:
        """Whether to ask for a preview now."""
        if not self._on_preview or time.monotonic() - self._asked_at < ASK_FOR_PREVIEW_EVERY_S:
            return False
        return self._seen is not None and self._seen[0] is JobState.RUNNING

    def show(self, preview: Preview | None) -> None:
        """Show what was asked for, if it is new."""
        self._asked_at = time.monotonic()
        if self._on_preview and preview not in (None, self._shown):
            self._shown = preview
            self._on_preview(preview)

    def pause_s(self, shortest_s: float = SHORTEST_POLL_S, longest_s: float = LONGEST_POLL_S) -> float:
        """How long to sleep before the next look.

        Args:
            shortest_s: At least so long, if there is time.
            longest_s: At most so long, however long it takes.

        Raises:
            WaitTimeout: The time is over.
        """
        waited_s = time.monotonic() - self._began
        # So the wait is never longer than it must be by more than a tenth.
        pause_s = min(max(waited_s / 10, shortest_s), longest_s)
        left_s = self.left_s()
        if left_s <= 0:
            raise WaitTimeout(
                f"Job {self._job_id} has not ended within {self._timeout_s} s; it goes on.",
                hint="Wait again, or see whether a worker of its kind runs: brushwork workers.",
            )
        return min(pause_s, left_s)
