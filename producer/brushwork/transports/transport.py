"""The interface of transports: what a client asks of the service, each method as a flow."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.transports.flow import Flow, Pause
from brushwork.transports.waiting import PollingWait

if TYPE_CHECKING:
    from brushwork.transports.connection import Connection

# Inside a transport, `list` is the method.
Jobs = list[Job]


class Transport(ABC):
    """A way to the service. `Client` documents the methods: arguments, return values and errors.

    Each method returns a flow; the client's runner runs it. Safe to share between threads.
    """

    # How to reach the gateway; None for a transport that sends no HTTP requests.
    connection: "Connection | None" = None

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
        while not waiting.observe(*(yield from self.look(job_id))):
            if waiting.wants_preview():
                waiting.show((yield from self.preview(job_id)))
            yield Pause(waiting.pause_s())
        return (yield from self.get(job_id))

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
