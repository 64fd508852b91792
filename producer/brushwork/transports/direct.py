"""The direct door: a client's own connections to ledger, queue and store."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import uuid_utils
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.files.trained_models import TrainedModels
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks
from brushwork_core.queries.queue_states import queue_states
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription, described_kinds
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker
from sqlalchemy import make_url

from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.intake import JobDraft, PreparedJob, SubmissionIntake, repeated
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
        database: The ledger's, where the caller has it open already, and closes it.
    """

    def __init__(self, settings: Settings, database: Database | None = None) -> None:
        self.settings = settings
        self._is_borrowed = database is not None
        self._database = database or Database(settings.database_url.get_secret_value())
        self._store = ArtifactStore(settings.artifacts_url)
        self._files = FileInputs(
            self._store,
            max_dataset_bytes=settings.max_dataset_bytes,
            allow_addresses=settings.image_addresses,
        )
        self._ledger = Ledger(self._database)
        self._index = JobIndex(self._database)
        self._job_signals = JobSignals(self._database)
        self._outlooks = Outlooks(self._database, fresh_s=settings.lease_s)
        self._messages = Messages(settings, self._ledger)
        self._catalogue = Catalogue.load(settings.catalogue)
        self._trained = TrainedModels(self._database)
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
        return self._accept([self._new_job(each, retry_of) for each in prepared])

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
        TenantFiles(self._database).record_upload("", artifact)
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
        return WorkerRegistry(self._database).workers()

    def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`."""
        return queue_states(self._index, self._outlooks)

    def close(self) -> None:
        """As `Client.close`."""
        self._messages.close()
        if not self._is_borrowed:
            self._database.close()

    def _accept(self, jobs: Sequence[NewJob]) -> Accepted:
        if not jobs:
            return Accepted([], frozenset())
        first = self._messages.with_room(jobs)
        submitted = self._ledger.submit(jobs, sent={job.id for job in first})
        self._messages.send([job for job in first if job.id in submitted.sent])
        earlier = self._earlier([job for job in jobs if job.id not in submitted.new])
        return Accepted(
            [submitted.job(job.id) if job.id in submitted.new else earlier[_key(job)] for job in jobs],
            submitted.new,
        )

    def _earlier(self, repeated_jobs: Sequence[NewJob]) -> dict[tuple[str, str], Job]:
        """The jobs that were submitted before with the same idempotency keys, by tenant and key."""
        keys: dict[str, list[str]] = {}
        for tenant, key in map(_key, repeated_jobs):
            keys.setdefault(tenant, []).append(key)
        ids = {
            (tenant, key): job_id
            for tenant, known in keys.items()
            for key, job_id in self._index.ids_of_keys(tenant, known).items()
        }
        jobs = {job.id: self._bound(job) for job in self._index.get_many(list(ids.values()))}
        return {key: jobs[job_id] for key, job_id in ids.items() if job_id in jobs}

    def _new_job(self, complete: PreparedJob, retry_of: str | None = None) -> NewJob:
        return NewJob.of(
            str(uuid_utils.uuid7()),
            complete.admitted,
            complete.options,
            inputs=complete.inputs,
            max_attempts=self.settings.max_attempts,
            request_sha256=complete.sha256,
            retry_of=retry_of,
        )

    def _bound(self, job: Job) -> Job:
        for artifact in artifacts_within(job.result):
            artifact.bind(self._store)
        return job


def _key(job: NewJob) -> tuple[str, str]:
    return job.tenant, job.idempotency_key or ""
