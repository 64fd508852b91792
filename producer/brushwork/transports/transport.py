"""The interface of transports: what a client asks of the service, each method as a flow."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.errors import WaitTimeout
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.worker import SeenWorker

from brushwork.transports.flow import Flow, Pause
from brushwork.transports.job_events import EventWait, JobEvent
from brushwork.transports.waiting import LONGEST_POLL_S, SHORTEST_POLL_S, PollingWait

if TYPE_CHECKING:
    from brushwork.transports.connection import Connection

# Inside a transport, `list` is the method.
Jobs = list[Job]
Events = list[JobEvent]
SHOWN_IDS = 3


class Transport(ABC):
    """A way to the service. `Client` documents the methods: arguments, return values and errors.

    Each method returns a flow; the client's runner runs it. Safe to share between threads.
    """

    # How to reach the gateway; None for a transport that sends no HTTP requests.
    connection: "Connection | None" = None
    # Bounds of the pauses between polls, in seconds.
    shortest_poll_s = SHORTEST_POLL_S
    longest_poll_s = LONGEST_POLL_S

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the service is, without passwords."""

    @abstractmethod
    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Flow[Jobs]:
        """Accept all requests or none, and return their jobs in the same order."""

    @abstractmethod
    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Flow[Job]:
        """Submit the request of a job that has ended again, with `changes`."""

    @abstractmethod
    def get(self, job_id: str) -> Flow[Job]:
        """Return the job."""

    @abstractmethod
    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Flow[Jobs]:
        """Return at most `limit` jobs that match `wanted` and are older than `before`, newest first."""

    @abstractmethod
    def look(self, job_id: str) -> Flow[tuple[JobState, Progress]]:
        """Return state and progress of the job."""

    @abstractmethod
    def preview(self, job_id: str) -> Flow[Preview | None]:
        """Return the newest preview of the job, if it runs and has one."""

    def wait(self, job_id: str, waiting: PollingWait) -> Flow[Job]:
        """Poll the job until it has ended, and return it. `waiting` sets the pauses and the time limit."""
        while not waiting.observe(*(yield from self.look_again(job_id, waiting))):
            if waiting.wants_preview():
                waiting.show((yield from self.preview_again(job_id, waiting)))
            yield Pause(waiting.pause_s(self.shortest_poll_s, self.longest_poll_s))
        return (yield from self.get(job_id))

    def wait_all(self, job_ids: Sequence[str], timeout_s: float | None) -> Flow[Jobs]:
        """Wait until all jobs have ended, and return them in the order of their ids."""
        until = math.inf if timeout_s is None else time.monotonic() + timeout_s
        # All are read once before any is waited for: an unknown id is an error at once.
        jobs: dict[str, Job] = {}
        for job_id in dict.fromkeys(job_ids):
            jobs[job_id] = yield from self.get(job_id)
        late = []
        for job_id in [job_id for job_id, job in jobs.items() if not job.is_finished]:
            left_s = None if timeout_s is None else max(0.0, until - time.monotonic())
            try:
                jobs[job_id] = yield from self.wait(job_id, PollingWait(job_id, left_s, None, None))
            except WaitTimeout:
                late.append(job_id)
        if late:
            raise _not_ended(late, len(jobs), timeout_s)
        return [jobs[job_id] for job_id in job_ids]

    def changes(self, waiting: EventWait) -> Flow[Events]:
        """Poll the job until something has changed, and return the changes."""
        while not (found := waiting.taken()):
            if waiting.has_begun:
                yield Pause(waiting.pause_s(self.shortest_poll_s, self.longest_poll_s))
            waiting.observe(*(yield from self.look_again(waiting.job_id, waiting)))
            if waiting.wants_preview():
                waiting.show((yield from self.preview_again(waiting.job_id, waiting)))
        return found

    def look_again(self, job_id: str, waiting: PollingWait) -> Flow[tuple[JobState, Progress]]:
        """Return state and progress of a job that is waited for."""
        return (yield from self.look(job_id))

    def preview_again(self, job_id: str, waiting: PollingWait) -> Flow[Preview | None]:
        """Return the newest preview of a job that is waited for."""
        return (yield from self.preview(job_id))

    @abstractmethod
    def delete(self, job_id: str) -> Flow[None]:
        """Delete a job that has ended, its result, and the files that nothing else uses."""

    @abstractmethod
    def cancel(self, job_id: str) -> Flow[Job]:
        """Cancel the job, and return it as it is then."""

    @abstractmethod
    def outlook(self, job_id: str) -> Flow[Outlook | None]:
        """Return position and estimated times of the job; None if it has ended."""

    @abstractmethod
    def upload(self, file: object, *, first_frame: bool = False) -> Flow[Artifact]:
        """Store a picture, of an animated one only the first frame if that is asked for, or a data set."""

    @abstractmethod
    def provenance(self, file: object) -> Flow[ProvenanceReport]:
        """Return what a picture says about its origin, and the jobs that made it."""

    @abstractmethod
    def artifact_bytes(self, sha256: str) -> Flow[bytes]:
        """Return the content of a stored file."""

    @abstractmethod
    def models(self, kind: str | None) -> Flow[Sequence[Model]]:
        """Return the models of one kind, or of all kinds if `kind` is None."""

    @abstractmethod
    def kinds(self) -> Flow[Sequence[KindDescription]]:
        """Return all kinds of job."""

    @abstractmethod
    def workers(self) -> Flow[Sequence[SeenWorker]]:
        """Return the workers that are running."""

    @abstractmethod
    def queues(self) -> Flow[Sequence[QueueState]]:
        """Return the number of waiting and running jobs of each kind."""

    @abstractmethod
    def close(self) -> Flow[None]:
        """Close all connections that the transport itself has opened."""


def _not_ended(late: Sequence[str], count: int, timeout_s: float | None) -> WaitTimeout:
    shown = ", ".join(late[:SHOWN_IDS]) + (", ..." if len(late) > SHOWN_IDS else "")
    return WaitTimeout(
        said(
            "{late} of {count} jobs have not ended within {seconds} s: {jobs}. They continue.",
            late=len(late),
            count=count,
            seconds=timeout_s,
            jobs=shown,
        ),
        hint="Wait again, or check that a worker of their kind is running: brushwork workers.",
        job_id=late[0],
    )
