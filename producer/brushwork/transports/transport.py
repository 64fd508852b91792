"""What every door lets through; `Client` says what each method means."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

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

from brushwork.waiting import PollingWait

# Inside a door, `list` is the method.
Jobs = list[Job]


class Transport(Protocol):
    """A way to the service. Safe to share between threads."""

    @property
    def place(self) -> str:
        """Where it leads to, without passwords."""
        ...

    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        ...

    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """As `Client.retry`."""
        ...

    def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        ...

    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """As `Client.list`."""
        ...

    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """As `Client.look`."""
        ...

    def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`."""
        ...

    def wait(self, job_id: str, waiting: PollingWait) -> Job:
        """As `Client.wait`."""
        ...

    def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        ...

    def outlook(self, job_id: str) -> Outlook | None:
        """As `Client.outlook`."""
        ...

    def upload(self, file: object) -> Artifact:
        """As `Client.upload`."""
        ...

    def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        ...

    def models(self, kind: str | None) -> Sequence[Model]:
        """As `Client.models`."""
        ...

    def kinds(self) -> Sequence[KindDescription]:
        """As `Client.kinds`."""
        ...

    def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`."""
        ...

    def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`."""
        ...

    def close(self) -> None:
        """As `Client.close`."""
        ...
