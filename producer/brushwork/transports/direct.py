"""The direct door: a client's own connections to ledger, queue and store."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import uuid_utils
from brushwork_core.ledger import NewJob
from brushwork_core.queries.queue_states import queue_states
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.catalogue import Model
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.description import KindDescription, described_kinds
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker
from sqlalchemy import make_url

from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.intake import JobDraft, PreparedJob, SubmissionIntake, repeated
from brushwork.transports.backend import Backend
from brushwork.transports.messages import Messages
from brushwork.transports.transport import Jobs
from brushwork.waiting import PollingWait


@dataclass(frozen=True)
class Accepted:
    """What became of requests.

    Args:
        jobs: The jobs that stand for them, in their order.
        new: Ids of those that were not there before: the others are those of repeated idempotency keys.
    """

    jobs: Jobs
    new: frozenset[str]


class DirectTransport:
    """Talks to the ledger, the queue and the artifact store; each method as `Client` says.

    Args:
        settings: Where they are.
        backend: The objects to work with, if the caller has built them; the caller then closes them.
    """

    def __init__(self, settings: Settings, backend: Backend | None = None) -> None:
        self.settings = settings
        self._is_borrowed = backend is not None
        self._backend = backend = backend or Backend.opened(settings)
        self._store = backend.store
        self._files = FileInputs(
            self._store,
            max_dataset_bytes=settings.max_dataset_bytes,
            allow_addresses=settings.image_addresses,
        )
        self._ledger = backend.ledger
        self._index = backend.index
        self._job_signals = backend.job_signals
        self._outlooks = backend.outlooks
        self._messages = Messages(settings, self._ledger)
        self._catalogue = backend.catalogue
        self._trained = backend.trained_models
        self._intake = SubmissionIntake(self._catalogue, self._files, self._trained.expect)

    @property
    def place(self) -> str:
        """Where the ledger is, without passwords."""
        url = make_url(self.settings.database_url.get_secret_value())
        return f"{url.get_backend_name()}://{url.host or ''}/{url.database or ''}"

    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        return self.accept(self.draft(requests)).jobs

    def draft(self, requests: Sequence[Mapping[str, Any]]) -> Sequence[JobDraft]:
        """Validate requests; no file is read and nothing is stored."""
        return self._intake.draft(requests)

    def accept(self, drafts: Sequence[JobDraft], retry_of: str | None = None) -> Accepted:
        """Store the files and the jobs of validated requests, and publish their messages."""
        prepared = self._intake.prepare(drafts)
        return self._accept([replace(self._new_job(each), retry_of=retry_of) for each in prepared])

    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """As `Client.retry`."""
        return self.accept_retry(job_id, changes).jobs[0]

    def accept_retry(self, job_id: str, changes: Mapping[str, Any]) -> Accepted:
        """Run a job again, and return whether the new job is new."""
        old = self.get(job_id)
        return self.accept(self.draft([repeated(old, changes)]), retry_of=old.id)

    def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        return self._bound(self._index.get(job_id))

    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """As `Client.list`."""
        if wanted.kind is not None:
            kind_named(wanted.kind)
        return [self._bound(job) for job in self._index.list(wanted, limit=limit, before=before)]

    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """As `Client.look`."""
        return self._index.state(job_id)

    def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`."""
        return self._job_signals.preview(job_id)

    def wait(self, job_id: str, waiting: PollingWait) -> Job:
        """As `Client.wait`."""
        while not waiting.is_over(*self.look(job_id)):
            if waiting.wants_preview():
                waiting.show(self.preview(job_id))
            time.sleep(waiting.pause_s())
        return self.get(job_id)

    def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        self._ledger.cancel(job_id)
        return self.get(job_id)

    def outlook(self, job_id: str) -> Outlook | None:
        """As `Client.outlook`."""
        return self._outlooks.of(self.get(job_id))

    def upload(self, file: object) -> Artifact:
        """As `Client.upload`."""
        artifact = self._files.stored(file)
        self._backend.tenant_files.enter("", artifact)
        artifact.bind(self._store)
        return artifact

    def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        return self._store.get(sha256)

    def models(self, kind: str | None) -> Sequence[Model]:
        """As `Client.models`."""
        return self.models_of("", kind)

    def models_of(self, tenant: str, kind: str | None) -> Sequence[Model]:
        """As `models`, with what the jobs of that tenant have trained."""
        listed = [model for model in self._catalogue if kind is None or kind in model.kinds]
        return [*listed, *self._trained.newest(tenant, kind)]

    def kinds(self) -> Sequence[KindDescription]:
        """As `Client.kinds`."""
        return described_kinds(self._catalogue)

    def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`."""
        return self._backend.worker_registry.workers()

    def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`."""
        return queue_states(self._index, self._outlooks)

    def close(self) -> None:
        """As `Client.close`."""
        self._messages.close()
        if not self._is_borrowed:
            self._backend.close()

    def _accept(self, jobs: Sequence[NewJob]) -> Accepted:
        if not jobs:
            return Accepted([], frozenset())
        first = self._messages.with_room(jobs)
        submitted = self._ledger.submit(jobs, sent={job.id for job in first})
        self._messages.send([job for job in first if job.id in submitted.sent])
        standing = self._standing(jobs, submitted.new)
        return Accepted([self._bound(job) for job in self._index.get_many(standing)], submitted.new)

    def _standing(self, jobs: Sequence[NewJob], new: Collection[str]) -> Sequence[str]:
        """The ids of the jobs that stand for these: of a repeated idempotency key, the earlier one's."""
        keys: dict[str, list[str]] = {}
        for job in jobs:
            if job.id not in new and job.idempotency_key:
                keys.setdefault(job.tenant, []).append(job.idempotency_key)
        earlier = {
            (tenant, key): job_id
            for tenant, repeated_keys in keys.items()
            for key, job_id in self._index.ids_of_keys(tenant, repeated_keys).items()
        }
        return [job.id if job.id in new else earlier[job.tenant, job.idempotency_key or ""] for job in jobs]

    def _new_job(self, complete: PreparedJob) -> NewJob:
        admitted, options = complete.admitted, complete.options
        return NewJob(
            tenant=options.tenant,
            priority=options.priority,
            deadline_s=options.deadline_s,
            idempotency_key=options.idempotency_key,
            webhook_url=options.webhook_url,
            webhook_events=options.webhook_events,
            group=options.group,
            retention_s=options.retention_s,
            traceparent=options.traceparent,
            request_sha256=complete.sha256,
            id=str(uuid_utils.uuid7()),
            kind=admitted.kind.name,
            model=admitted.model.name,
            label=admitted.label,
            request=complete.request.model_dump(mode="json"),
            max_attempts=self.settings.max_attempts,
            inputs=complete.inputs,
        )

    def _bound(self, job: Job) -> Job:
        for artifact in artifacts_within(job.result):
            artifact.bind(self._store)
        return job
