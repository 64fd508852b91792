"""The transport to a service in memory, whose worker is the test."""

import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.decoders.decoder import in_process
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact, artifacts_within, describe
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.catalogue import TRAINED, Catalogue, Model, trained_model, trains_for
from brushwork_schemas.catalogue.kind_descriptions import KindDescription, described_kinds
from brushwork_schemas.errors import UnknownModel
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.explanations.calls import num_calls
from brushwork_schemas.kinds.explanations.request import method_of
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.file_origin import FIELD
from brushwork.inputs.intake import PreparedJob, SubmissionIntake, repeated
from brushwork.inputs.picture_files import sendable_picture, stored_name
from brushwork.testing.memory_ledger import MemoryJob, MemoryLedger
from brushwork.testing.script import Script, ScriptedOutcome
from brushwork.transports.flow import blocking
from brushwork.transports.job_id import new_job_id
from brushwork.transports.transport import Jobs, Transport


class MemoryTransport(Transport):
    """Keeps jobs and files in memory. The last public methods do a worker's part.

    Args:
        settings: The catalogue, the limits of files, and the number of attempts of a job.
        auto: Whether each job runs to its end as soon as it is submitted.
    """

    def __init__(self, settings: Settings, *, auto: bool) -> None:
        self._settings = settings
        self._auto = auto
        self.store = ArtifactStore("memory:///")
        self._catalogue = Catalogue.load(settings.catalogue)
        self._files = FileInputs(self.store, max_dataset_bytes=settings.max_dataset_bytes)
        self._intake = SubmissionIntake(self._catalogue, self._files, self._expect)
        self._previews: dict[str, Preview] = {}
        self._uploads: set[str] = set()
        # Held from the storing of a file until a job or an upload refers to it, so that `delete` spares it.
        self._storing = threading.RLock()
        self.ledger = MemoryLedger()
        self.script = Script(self.store)

    @property
    def place(self) -> str:
        """The word `memory`."""
        return "memory"

    @blocking
    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """Accept all requests or none."""
        return self._accept(requests)

    @blocking
    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """Submit the request of a job that has ended again, with `changes`."""
        return self._accept([repeated(self._get(job_id), changes)], retry_of=job_id)[0]

    @blocking
    def get(self, job_id: str) -> Job:
        """Return the job."""
        return self._get(job_id)

    @blocking
    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """Return jobs that match `wanted`, newest first."""
        if wanted.kind is not None:
            kind_named(wanted.kind)
        jobs = [self._bound(job) for job in self.ledger.newest_first() if _fits(job, wanted)]
        if before is not None:
            jobs = [job for job in jobs if (job.created_at, job.id) < (before.created_at, before.id)]
        return jobs[:limit]

    @blocking
    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """Return state and progress."""
        job = self.ledger.get(job_id)
        return job.state, job.progress

    @blocking
    def preview(self, job_id: str) -> Preview | None:
        """Return the preview that the test has set for a running job."""
        return self._previews.get(job_id) if self.ledger.get(job_id).state is JobState.RUNNING else None

    @blocking
    def cancel(self, job_id: str) -> Job:
        """Cancel the job, and return it as it is then."""
        return self._bound(self.ledger.cancel(job_id))

    @blocking
    def delete(self, job_id: str) -> None:
        """Delete the job, its result, and the files that nothing else uses."""
        with self._storing:
            deleted = self.ledger.delete(job_id)
            used = self._uploads.union(*map(_files_of, self.ledger.newest_first()))
            for name in _files_of(deleted) - used:
                self.store.remove_if_old(name, -math.inf)
        self._previews.pop(job_id, None)

    @blocking
    def outlook(self, job_id: str) -> Outlook | None:
        """Return the position in the queue. Nothing is measured, so no times are estimated."""
        job = self._get(job_id)
        if job.is_finished:
            return None
        older = [
            other for other in self.ledger.newest_first() if other.id < job.id and other.kind == job.kind
        ]
        queued = [other for other in older if other.state is JobState.QUEUED]
        return Outlook(
            position=len(queued) if job.state is JobState.QUEUED else None,
            num_calls=self._num_calls(job),
            servable=True,
        )

    def _num_calls(self, job: Job) -> int:
        name = kind_named(job.kind).main_picture(job.request)
        if method_of(job.request) is None or name is None:
            return num_calls(job.request, 0, 0)
        picture = describe(self.store.get(name), name)
        return num_calls(job.request, picture.width, picture.height)

    @blocking
    def upload(self, file: object, *, first_frame: bool = False) -> Artifact:
        """Store a picture or a data set."""
        with self._storing:
            artifact = self._files.stored(file, first_frame=first_frame)
            self._uploads.add(artifact.sha256)
        artifact.bind(self.store)
        return artifact

    @blocking
    def provenance(self, file: object) -> ProvenanceReport:
        """Return what a picture says about its origin. The jobs that made it are not searched."""
        given = sendable_picture(file, FIELD)
        data = given if isinstance(given, bytes) else self.store.get(stored_name(given))
        return in_process().report(data, FIELD).report

    @blocking
    def artifact_bytes(self, sha256: str) -> bytes:
        """Return the content of a stored file."""
        return self.store.get(sha256)

    @blocking
    def models(self, kind: str | None) -> Sequence[Model]:
        """Return the models of the catalogue, then those that jobs without a tenant have trained."""
        listed = [model for model in self._catalogue if kind is None or kind in model.kinds]
        if kind is not None and trains_for(kind) is None:
            return listed
        trained = [
            trained_model(f"{TRAINED}{job.id}", trains.kind)
            for job in self.ledger.newest_first()
            if _has_trained(job, "")
            and (trains := all_kinds()[job.kind].trains)
            and kind in (None, trains.kind)
        ]
        return [*listed, *trained]

    @blocking
    def kinds(self) -> Sequence[KindDescription]:
        """Return all kinds with their models."""
        return described_kinds(self._catalogue)

    @blocking
    def workers(self) -> Sequence[SeenWorker]:
        """Return an empty list: there are no workers."""
        return []

    @blocking
    def queues(self) -> Sequence[QueueState]:
        """Return the number of waiting and running jobs of each kind; `in_redis` is always 0."""
        states = Counter((job.kind, job.state) for job in self.ledger.newest_first())
        return [
            QueueState(
                kind=kind,
                in_redis=0,
                in_ledger=states[kind, JobState.QUEUED],
                running=states[kind, JobState.RUNNING],
                workers=0,
            )
            for kind in all_kinds()
        ]

    @blocking
    def close(self) -> None:
        """Do nothing: nothing is open."""

    def show(self, job_id: str, preview: Preview) -> None:
        """Set the preview of a job."""
        self._previews[job_id] = preview

    def finish(self, job_id: str, outcome: ScriptedOutcome = None) -> Job:
        """End a running job with `outcome`, or with the next outcome of the script."""
        job = self._get(job_id)
        ended = self.script.next_outcome(job) if outcome is None else self.script.outcome(job, outcome)
        return self._bound(self.ledger.finish(job_id, ended))

    def run_next(self) -> Job | None:
        """Run the most urgent queued job to its end; None if no job is queued."""
        job = self.ledger.start_next()
        return None if job is None else self.finish(job.id)

    def _get(self, job_id: str) -> Job:
        return self._bound(self.ledger.get(job_id))

    def _accept(self, requests: Sequence[Mapping[str, Any]], retry_of: str | None = None) -> Jobs:
        drafts = self._intake.draft(requests)
        with self._storing:
            prepared = self._intake.prepare(drafts)
            jobs = self.ledger.submit([_entry(each, self._settings, retry_of) for each in prepared])
        while self._auto and self.run_next() is not None:
            pass
        return [self._get(job.id) for job in jobs]

    def _expect(self, model: Model, tenant: str) -> None:
        job_id = model.source.job
        if job_id is None or any(
            job.id == job_id and _has_trained(job, tenant) for job in self.ledger.newest_first()
        ):
            return
        raise UnknownModel(
            f"Model {model.name!r}: this tenant has no succeeded training job of this id.",
            field="model",
            hint="Use trained:<job id> with the id of a succeeded training job of the same tenant.",
        )

    def _bound(self, job: Job) -> Job:
        for artifact in artifacts_within(job.result):
            artifact.bind(self.store)
        return job


def _files_of(job: Job) -> set[str]:
    """Names of the files of a job: its inputs and those of its result."""
    inputs = all_kinds()[job.kind].files_in(job.request).values()
    return {*inputs} | {each.sha256 for each in artifacts_within(job.result)}


def _has_trained(job: Job, tenant: str) -> bool:
    kind = all_kinds()[job.kind]
    return bool(kind.trains) and (job.state, job.tenant) == (JobState.SUCCEEDED, tenant)


def _entry(prepared: PreparedJob, settings: Settings, retry_of: str | None) -> MemoryJob:
    # The real ledger stores milliseconds.
    now = datetime.now(UTC)
    created_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    options, admitted = prepared.options, prepared.admitted
    deadline_s = options.deadline_s
    job = Job(
        id=new_job_id(),
        kind=admitted.kind.name,
        model=admitted.model.name,
        label=admitted.label,
        state=JobState.QUEUED,
        request=admitted.request,
        created_at=created_at,
        deadline_at=None if deadline_s is None else created_at + timedelta(seconds=deadline_s),
        max_attempts=settings.max_attempts,
        retry_of=retry_of,
        **{name: getattr(options, name) for name in _KEPT},
    )
    return MemoryJob(job, prepared.sha256)


_KEPT = ("priority", "tenant", "idempotency_key", "group", "traceparent")


def _fits(job: Job, wanted: JobFilter) -> bool:
    same = ("kind", "state", "model", "tenant", "group")
    if any(getattr(wanted, name) not in (None, getattr(job, name)) for name in same):
        return False
    if wanted.created_after is not None and job.created_at <= wanted.created_after.astimezone(UTC):
        return False
    if wanted.created_before is not None and job.created_at >= wanted.created_before.astimezone(UTC):
        return False
    return not wanted.text or wanted.text.lower() in _words(job).lower()


def _words(job: Job) -> str:
    caption = getattr(job.result, "generated_text", "")
    return "\n".join((getattr(job.request, "prompt", ""), caption, job.label, job.id))
