"""The transport with connections of its own to the ledger, the queue and the artifact store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_core.ledger import NewJob
from brushwork_core.queries.queue_states import queue_states
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription, described_kinds
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.warnings import result_warning
from brushwork_schemas.worker import SeenWorker
from sqlalchemy import make_url

from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.file_origin import FIELD
from brushwork.inputs.intake import JobDraft, PreparedJob, SubmissionIntake, repeated
from brushwork.inputs.picture_files import sendable_picture, stored_name
from brushwork.inputs.recorded_files import stored_and_recorded
from brushwork.inputs.time_limit import check_time
from brushwork.transports.backend import Backend
from brushwork.transports.flow import blocking
from brushwork.transports.job_id import new_job_id
from brushwork.transports.messages import Messages
from brushwork.transports.transport import Jobs, Transport


@dataclass(frozen=True)
class Accepted:
    """The result of a submit.

    Args:
        jobs: One job for each request, in the order of the requests.
        new: Ids of the jobs that this submit has created. The others belong to repeated idempotency keys.
    """

    jobs: Jobs
    new: frozenset[str]


class DirectTransport(Transport):
    """Uses the ledger, the queue and the artifact store without a gateway.

    Args:
        settings: Addresses of Redis, the database and the artifact store.
        backend: Database, store and the objects that use them, if the caller has built them. The caller then
            closes them.
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
            decoder=backend.decoder,
        )
        self._ledger = backend.ledger
        self._index = backend.index
        self._job_signals = backend.job_signals
        self._outlooks = backend.outlooks
        self._messages = Messages(settings)
        self._catalogue = backend.catalogue
        self._trained = backend.trained_models
        self._intake = SubmissionIntake(
            self._catalogue,
            self._files,
            self._trained.expect,
            policies=backend.policies,
            decision_log=backend.decision_log,
        )

    @property
    def place(self) -> str:
        """Address of the ledger, without passwords."""
        url = make_url(self.settings.database_url.get_secret_value())
        return f"{url.get_backend_name()}://{url.host or ''}/{url.database or ''}"

    @blocking
    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """Accept all requests or none, in one transaction."""
        return self.accept(self.draft(requests)).jobs

    def draft(self, requests: Sequence[Mapping[str, Any]]) -> Sequence[JobDraft]:
        """Validate requests; no file is read and nothing is stored."""
        return self._intake.draft(requests)

    def accept(self, drafts: Sequence[JobDraft], retry_of: str | None = None) -> Accepted:
        """Store the files and the jobs of validated requests, and publish their messages."""

        def attempt() -> Accepted:
            prepared = self._intake.prepare(drafts)
            check_time()
            return self._accept([self._new_job(each, retry_of) for each in prepared])

        accepted = stored_and_recorded(attempt)
        return Accepted([self._warned(job) for job in accepted.jobs], accepted.new)

    def _warned(self, job: Job) -> Job:
        """Return the job with a warning if no ready worker has its model."""
        try:
            if job.is_finished or self._outlooks.serving(job.kind, job.model):
                return job
        # The job is stored. That nobody can say whether it is served is no reason to fail now.
        except ServiceUnreachable:
            return job
        warning = result_warning("model_on_no_worker", "model", model=job.model)
        return job.model_copy(update={"warnings": (warning,)})

    @blocking
    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """Submit the request of a job that has ended again, with `changes`."""
        return self.accept_retry(job_id, changes).jobs[0]

    def accept_retry(self, job_id: str, changes: Mapping[str, Any]) -> Accepted:
        """Run a job again, and return whether the new job is new."""
        old = self._get(job_id)
        return self.accept(self.draft([repeated(old, changes)]), retry_of=old.id)

    @blocking
    def get(self, job_id: str) -> Job:
        """Return the job; artifacts of its result read from the store."""
        return self._get(job_id)

    @blocking
    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """Return jobs that match `wanted`, newest first."""
        if wanted.kind is not None:
            kind_named(wanted.kind)
        return [self._bound(job) for job in self._index.list(wanted, limit=limit, before=before)]

    @blocking
    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """Return state and progress, without reading the rest of the job."""
        return self._index.state(job_id)

    @blocking
    def preview(self, job_id: str) -> Preview | None:
        """Return the newest preview. Asking makes the worker produce previews for a while."""
        return self._job_signals.preview(job_id)

    @blocking
    def cancel(self, job_id: str) -> Job:
        """Cancel the job, and return it as it is then."""
        self._ledger.cancel(job_id)
        return self._get(job_id)

    @blocking
    def delete(self, job_id: str) -> None:
        """Delete the job, its result, and the files that nothing else uses."""
        self.delete_of(None, job_id)

    def delete_of(self, tenant: str | None, job_id: str) -> None:
        """Delete a job of `tenant`; None deletes jobs of all tenants."""
        self._backend.job_deletion.delete(job_id, tenant)

    @blocking
    def outlook(self, job_id: str) -> Outlook | None:
        """Estimate when the job starts and ends."""
        return self._outlooks.of(self._get(job_id))

    @blocking
    def upload(self, file: object, *, first_frame: bool = False) -> Artifact:
        """Store a picture or a data set."""

        def attempt() -> Artifact:
            artifact = self._files.stored(file, first_frame=first_frame)
            self._backend.tenant_files.record_upload("", artifact)
            return artifact

        artifact = stored_and_recorded(attempt)
        artifact.bind(self._store)
        return artifact

    @blocking
    def provenance(self, file: object) -> ProvenanceReport:
        """Return what a picture says about its origin, and the jobs of all tenants that made it."""
        given = sendable_picture(file, FIELD)
        if isinstance(given, bytes):
            return self._backend.file_origin.report(given, None)
        return self._backend.file_origin.report(self._store.get(stored_name(given)), None)

    @blocking
    def artifact_bytes(self, sha256: str) -> bytes:
        """Return the content of a stored file."""
        return self._store.get(sha256)

    @blocking
    def models(self, kind: str | None) -> Sequence[Model]:
        """Return the models of the catalogue, then those that jobs without a tenant have trained."""
        return self.models_of("", kind)

    def models_of(self, tenant: str, kind: str | None) -> Sequence[Model]:
        """Return the models of the catalogue, then those that jobs of `tenant` have trained."""
        listed = [model for model in self._catalogue if kind is None or kind in model.kinds]
        return [*listed, *self._trained.newest(tenant, kind)]

    @blocking
    def kinds(self) -> Sequence[KindDescription]:
        """Return all kinds with their models."""
        return described_kinds(self._catalogue)

    @blocking
    def workers(self) -> Sequence[SeenWorker]:
        """Return the workers whose heartbeats are fresh."""
        return self._backend.worker_registry.workers()

    @blocking
    def queues(self) -> Sequence[QueueState]:
        """Return the number of waiting and running jobs of each kind."""
        return queue_states(self._index, self._outlooks, self._catalogue)

    @blocking
    def close(self) -> None:
        """Close the connections to Redis, and to the database unless the caller opened it."""
        self._messages.close()
        if not self._is_borrowed:
            self._backend.close()

    def _get(self, job_id: str) -> Job:
        return self._bound(self._index.get(job_id))

    def _accept(self, jobs: Sequence[NewJob]) -> Accepted:
        if not jobs:
            return Accepted([], frozenset())
        submitted = self._ledger.submit(jobs)
        self._messages.send([job for job in jobs if job.id in submitted.new])
        repeats = [job for job in jobs if job.id not in submitted.new]
        earlier = self._earlier(repeats)
        # The job of an idempotency key may be deleted after its key was found. Then the key is free again.
        again = self._accept([job for job in repeats if _key(job) not in earlier])
        replaced = {job.idempotency_key or "": job for job in again.jobs}
        return Accepted(
            [
                submitted.job(job.id)
                if job.id in submitted.new
                else earlier.get(_key(job)) or replaced[job.idempotency_key or ""]
                for job in jobs
            ],
            submitted.new | again.new,
        )

    def _earlier(self, repeated_jobs: Sequence[NewJob]) -> dict[tuple[str, str], Job]:
        """Return the jobs that were submitted before with the same idempotency keys, by tenant and key."""
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

    def _new_job(self, prepared: PreparedJob, retry_of: str | None) -> NewJob:
        return NewJob.of(
            new_job_id(),
            prepared.admitted,
            prepared.options,
            inputs=prepared.inputs,
            max_attempts=self.settings.max_attempts,
            request_sha256=prepared.sha256,
            retry_of=retry_of,
        )

    def _bound(self, job: Job) -> Job:
        for artifact in artifacts_within(job.result):
            artifact.bind(self._store)
        return job


def _key(job: NewJob) -> tuple[str, str]:
    return job.tenant, job.idempotency_key or ""
