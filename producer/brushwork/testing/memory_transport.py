"""The door to a service that is all in memory."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uuid_utils
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.catalogue import TRAINED, Catalogue, Model, trained_model, trains_for
from brushwork_schemas.errors import UnknownModel
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.description import KindDescription, described_kinds
from brushwork_schemas.kinds.registry import all_kinds, kind_named
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.inputs.file_inputs import FileInputs
from brushwork.inputs.intake import PreparedJob, SubmissionIntake, repeated
from brushwork.testing.memory_ledger import Jobs, MemoryJob, MemoryLedger
from brushwork.testing.script import Script, Written
from brushwork.waiting import PollingWait


class MemoryTransport:
    """Each method as `Client` says; the last of them are the fake worker.

    Args:
        settings: Which catalogue, and how many attempts jobs have.
        auto: Whether each job runs as soon as it is submitted.
    """

    def __init__(self, settings: Settings, *, auto: bool) -> None:
        self._settings = settings
        self._auto = auto
        self.store = ArtifactStore("memory:///")
        self._catalogue = Catalogue.load(settings.catalogue)
        self._files = FileInputs(self.store, max_dataset_bytes=settings.max_dataset_bytes)
        self._intake = SubmissionIntake(self._catalogue, self._files, self._expect)
        self._previews: dict[str, Preview] = {}
        self.ledger = MemoryLedger()
        self.script = Script(self.store)

    @property
    def place(self) -> str:
        """Nowhere else."""
        return "memory"

    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        return self._accept(requests)

    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """As `Client.retry`."""
        return self._accept([repeated(self.get(job_id), changes)], retry_of=job_id)[0]

    def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        return self._bound(self.ledger.get(job_id))

    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """As `Client.list`."""
        if wanted.kind is not None:
            kind_named(wanted.kind)
        jobs = [self._bound(job) for job in self.ledger.newest_first() if _fits(job, wanted)]
        if before is not None:
            jobs = [job for job in jobs if (job.created_at, job.id) < (before.created_at, before.id)]
        return jobs[:limit]

    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """As `Client.look`."""
        job = self.ledger.get(job_id)
        return job.state, job.progress

    def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`; the test makes them."""
        return self._previews.get(job_id) if self.get(job_id).state is JobState.RUNNING else None

    def wait(self, job_id: str, waiting: PollingWait) -> Job:
        """As `Client.wait`."""
        while not waiting.is_over(*self.look(job_id)):
            if waiting.wants_preview():
                waiting.show(self.preview(job_id))
            time.sleep(waiting.pause_s())
        return self.get(job_id)

    def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        return self._bound(self.ledger.cancel(job_id))

    def outlook(self, job_id: str) -> Outlook | None:
        """As `Client.outlook`; nothing is measured, so nothing is estimated."""
        job = self.get(job_id)
        if job.is_finished:
            return None
        older = [
            other for other in self.ledger.newest_first() if other.id < job.id and other.kind == job.kind
        ]
        queued = [other for other in older if other.state is JobState.QUEUED]
        return Outlook(position=len(queued) if job.state is JobState.QUEUED else None, servable=True)

    def upload(self, file: object) -> Artifact:
        """As `Client.upload`."""
        artifact = self._files.stored(file)
        artifact.bind(self.store)
        return artifact

    def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        return self.store.get(sha256)

    def models(self, kind: str | None) -> Sequence[Model]:
        """As `Client.models`."""
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

    def kinds(self) -> Sequence[KindDescription]:
        """As `Client.kinds`."""
        return described_kinds(self._catalogue)

    def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`: there are none."""
        return []

    def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`; the queue is in memory, where a ledger would be."""
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

    def close(self) -> None:
        """Nothing is open."""

    def show(self, job_id: str, preview: Preview) -> None:
        """Have a job show this preview."""
        self._previews[job_id] = preview

    def finish(self, job_id: str, outcome: Written = None) -> Job:
        """End a running job by this, or as the script says."""
        job = self.get(job_id)
        played = self.script.play(job) if outcome is None else self.script.outcome(job, outcome)
        return self._bound(self.ledger.finish(job_id, played))

    def run_next(self) -> Job | None:
        """Run the next queued job to its end."""
        job = self.ledger.start_next()
        return None if job is None else self.finish(job.id)

    def _accept(self, requests: Sequence[Mapping[str, Any]], retry_of: str | None = None) -> Jobs:
        prepared = self._intake.prepare(self._intake.draft(requests))
        jobs = self.ledger.submit([_entry(each, self._settings, retry_of) for each in prepared])
        while self._auto and self.run_next() is not None:
            pass
        return [self.get(job.id) for job in jobs]

    def _expect(self, model: Model, tenant: str) -> None:
        job_id = model.source.job
        if job_id is None or any(
            job.id == job_id and _has_trained(job, tenant) for job in self.ledger.newest_first()
        ):
            return
        raise UnknownModel(
            f"Model {model.name!r}: you have no training of that name that has succeeded.",
            field="model",
            hint="trained:<job id> names a succeeded training job of the same tenant.",
        )

    def _bound(self, job: Job) -> Job:
        for artifact in artifacts_within(job.result):
            artifact.bind(self.store)
        return job


def _has_trained(job: Job, tenant: str) -> bool:
    kind = all_kinds()[job.kind]
    return bool(kind.trains) and (job.state, job.tenant) == (JobState.SUCCEEDED, tenant)


def _entry(complete: PreparedJob, settings: Settings, retry_of: str | None) -> MemoryJob:
    # As exact as a ledger's, which counts milliseconds.
    now = datetime.now(UTC)
    created_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    options, admitted = complete.options, complete.admitted
    deadline_s = options.deadline_s
    job = Job(
        id=str(uuid_utils.uuid7()),
        kind=admitted.kind.name,
        model=admitted.model.name,
        label=admitted.label,
        state=JobState.QUEUED,
        request=complete.request,
        created_at=created_at,
        deadline_at=None if deadline_s is None else created_at + timedelta(seconds=deadline_s),
        max_attempts=settings.max_attempts,
        retry_of=retry_of,
        **{name: getattr(options, name) for name in _KEPT},
    )
    return MemoryJob(job, complete.sha256)


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
