"""Follow one job: each change of its state, its progress and its preview as an event."""

from dataclasses import dataclass
from typing import Literal

from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState

from brushwork.transports.waiting import PollingWait


@dataclass(frozen=True)
class JobEvent:
    """A change of a job. Changes that follow each other within one poll are one event of each sort.

    Args:
        name: What has changed: `state`, `progress` or `preview`.
        job_id: The job.
        state: State of the job then.
        progress: Steps done then.
        preview: The new preview, for an event of that name; else None.
    """

    name: Literal["state", "progress", "preview"]
    job_id: str
    state: JobState
    progress: Progress
    preview: Preview | None = None


class EventWait(PollingWait):
    """State of one `events`: collects the changes that polls have found.

    Args:
        job_id: The job that is followed.
        timeout_s: Time limit in seconds for the whole job; None follows without limit.
        previews: Whether to ask for previews.
    """

    def __init__(self, job_id: str, timeout_s: float | None, *, previews: bool) -> None:
        super().__init__(job_id, timeout_s, self._changed, self._preview_came if previews else None)
        self.job_id = job_id
        self.is_over = False
        self._last: tuple[JobState | None, Progress] = (None, Progress())
        self._found: list[JobEvent] = []

    def taken(self) -> list[JobEvent]:
        """Return the events since the last call."""
        taken, self._found = self._found, []
        return taken

    def _changed(self, state: JobState, progress: Progress) -> None:
        (last_state, last_progress), self._last = self._last, (state, progress)
        # A new attempt starts again at 0 of 0 steps, of which the change of state tells.
        steps = [self._event("progress")] if progress != last_progress and progress.total else []
        states = [self._event("state")] if state != last_state else []
        self.is_over = state.is_terminal
        # The end of the job is the last event.
        self._found += [*steps, *states] if self.is_over else [*states, *steps]

    def _preview_came(self, preview: Preview) -> None:
        self._found.append(self._event("preview", preview))

    def _event(
        self, name: Literal["state", "progress", "preview"], preview: Preview | None = None
    ) -> JobEvent:
        state, progress = self._last
        return JobEvent(name, self.job_id, state or JobState.QUEUED, progress, preview)
