"""The client: submit jobs, wait for them, and find them again."""

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact, name_of
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.job import Job, Progress, ResultOfAnyT, id_of
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.inputs.job_query import checked_ids, checked_limit, job_filter
from brushwork.transports.choice import chosen_settings, opened
from brushwork.transports.job_events import EventWait, JobEvent
from brushwork.transports.runners import SyncRunner
from brushwork.transports.transport import Jobs, Transport
from brushwork.transports.waiting import PollingWait
from brushwork.typed.arguments import OnPreview, OnProgress, PictureFile, StateName, UntypedKind
from brushwork.typed.parameters import KindName
from brushwork.typed.submission import TypedSubmission


class Client(TypedSubmission):
    """Submits jobs and finds them again, through a gateway or directly at the servers.

    Safe to share between threads. An argument that is left out is read from the environment
    (`BRUSHWORK_...`), else from the `brushwork.env` that `brushwork up` writes. With a gateway's address,
    here or in `BRUSHWORK_URL`, the client uses HTTP. Without one, or if one of the servers is named here, it
    connects to the servers directly.

    Args:
        address: Address of a gateway, such as `http://127.0.0.1:8600`.
        key: API key for the gateway, if it requires one: `bw_...`.
        redis_url: URL of the broker.
        database_url: URL of the ledger's database.
        artifacts_url: URL or folder of the artifact store.
        settings: All settings at once. The other arguments override it.
        patience_s: Seconds that a call may wait in all when the gateway responds with Retry-After (rate
            limit, budget, full queue). With 0, the default, the call raises the error at once.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        key: str | None = None,
        redis_url: str | None = None,
        database_url: str | None = None,
        artifacts_url: str | None = None,
        settings: Settings | None = None,
        patience_s: float = 0.0,
    ) -> None:
        servers = {"redis_url": redis_url, "database_url": database_url, "artifacts_url": artifacts_url}
        self.settings = chosen_settings(address, key, servers, settings)
        self._connect(opened(self.settings, patience_s))

    def _connect(self, transport: Transport) -> None:
        self._transport = transport
        self._runner = SyncRunner(transport.connection)

    def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> Jobs:
        """Submit many jobs in one transaction: all are accepted or none. A gateway takes at most 1000.

        Args:
            requests: Mappings, each with its `kind` and the parameters of `submit`. All pictures are held in
                memory together. If many jobs share one picture, `upload` it once and pass its artifact.

        Returns:
            The jobs, in the order of `requests`.

        Raises:
            RequestError: A request is wrong, as for `submit`. The message starts with its index.
        """
        return self._runner.run(self._transport.submit_many(list(requests)))

    def get(self, job: Job[ResultOfAnyT] | str) -> Job[ResultOfAnyT]:
        """Return the job as it is now. It is given as a job or by its id, as everywhere below.

        Raises:
            JobNotFound: No job has this id.
        """
        return self._runner.run(self._transport.get(id_of(job)))

    def list(
        self,
        *,
        kind: KindName | UntypedKind | None = None,
        state: JobState | StateName | None = None,
        model: str | None = None,
        tenant: str | None = None,
        group: str | None = None,
        text: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = 50,
        before: Job | None = None,
    ) -> Jobs:
        """Return jobs, newest first. Each argument narrows the list.

        Args:
            kind: Only jobs of this kind.
            state: Only jobs in this state.
            model: Only jobs of this model.
            tenant: Only jobs of this tenant.
            group: Only jobs of this group.
            text: Only jobs with this text in prompt, caption, label or id; upper and lower case are equal.
                The newest 20,000 jobs that match the other arguments are searched.
            created_after: Only jobs created later than this.
            created_before: Only jobs created earlier than this.
            limit: Most jobs to return, 1 to 10,000.
            before: Only jobs older than this one. Pass the last job of a page to get the next page.

        Raises:
            UnknownKind, InvalidRequest: There is no such kind or state, or `limit` is out of range.
        """
        wanted = job_filter(
            kind=kind,
            state=state,
            model=model,
            tenant=tenant,
            group=group,
            text=text,
            created_after=created_after,
            created_before=created_before,
        )
        return self._runner.run(self._transport.list(wanted, checked_limit(limit), before))

    def look(self, job: Job | str) -> tuple[JobState, Progress]:
        """Return only state and progress. This is cheaper than `get` for frequent polling.

        Raises:
            JobNotFound: No job has this id.
        """
        return self._runner.run(self._transport.look(id_of(job)))

    def preview(self, job: Job | str) -> Preview | None:
        """Return the newest preview of a running job; None if there is none or the job does not run.

        A worker produces previews only on demand: at most one a second, for ten seconds after each call. The
        first call therefore mostly returns None. Kinds without steps and models without a preview encoder
        have no previews.

        Raises:
            JobNotFound: No job has this id.
        """
        return self._runner.run(self._transport.preview(id_of(job)))

    def wait(
        self,
        job: Job[ResultOfAnyT] | str,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
    ) -> Job[ResultOfAnyT]:
        """Wait until the job has ended, in any state. `job.raise_for_state()` raises if it did not succeed.

        Args:
            job: The job, or its id.
            timeout_s: Seconds after which to stop waiting; by default there is no limit.
            on_progress: Called with state and progress whenever they have changed.
            on_preview: Called with each new preview.

        Raises:
            JobNotFound: No job has this id.
            WaitTimeout: The job has not ended in time. It continues.
        """
        job_id = id_of(job)
        waiting = PollingWait(job_id, timeout_s, on_progress, on_preview)
        return self._runner.run(self._transport.wait(job_id, waiting))

    def wait_all(
        self, jobs: Iterable[Job[ResultOfAnyT] | str], *, timeout_s: float | None = None
    ) -> "builtins.list[Job[ResultOfAnyT]]":
        """Wait until all jobs have ended, in any state, and return them in the given order.

        Args:
            jobs: Jobs or ids.
            timeout_s: Seconds for all of them together; by default there is no limit.

        Raises:
            InvalidRequest: `jobs` is one job or one id.
            JobNotFound: No job has one of the ids. Nothing is waited for.
            WaitTimeout: Some jobs have not ended in time. They continue.
        """
        return self._runner.run(self._transport.wait_all(checked_ids(jobs), timeout_s))

    def events(
        self, job: Job | str, *, previews: bool = False, timeout_s: float | None = None
    ) -> Iterator[JobEvent]:
        """Yield the job's state, then each change, until the job has ended. The last event is its end.

        Args:
            job: The job, or its id.
            previews: Whether to make and yield previews.
            timeout_s: Seconds after which to stop following; by default there is no limit.

        Raises:
            JobNotFound: No job has this id.
            WaitTimeout: The job has not ended in time. It continues.
        """
        waiting = EventWait(id_of(job), timeout_s, previews=previews)
        while not waiting.is_over:
            yield from self._runner.run(self._transport.changes(waiting))

    def cancel(self, job: Job[ResultOfAnyT] | str) -> Job[ResultOfAnyT]:
        """Cancel a job. A queued job is canceled at once, a running one at its next step.

        Returns:
            The job after the call. A job that had already ended is unchanged.

        Raises:
            JobNotFound: No job has this id.
        """
        return self._runner.run(self._transport.cancel(id_of(job)))

    def delete(self, job: Job | str) -> None:
        """Delete a job that has ended, with its result, its events, and its files that nothing else uses.

        Files that another job uses, and files that were uploaded by themselves, are kept.

        Raises:
            JobNotFound: No job has this id, or it was deleted before.
            JobNotEnded: The job has not ended. Cancel it first.
        """
        self._runner.run(self._transport.delete(id_of(job)))

    def outlook(self, job: Job | str) -> Outlook | None:
        """Return the job's position, its estimated start and end, and whether a worker can run it.

        Returns:
            None if the job has ended.

        Raises:
            JobNotFound: No job has this id.
        """
        return self._runner.run(self._transport.outlook(id_of(job)))

    def upload(self, file: PictureFile, *, first_frame: bool = False) -> Artifact:
        """Store a picture or a data set that several jobs will use. `submit` takes files directly, too.

        Args:
            file: As for `submit`. An archive or a folder is a data set; all else is a picture.
            first_frame: Whether the first frame of an animated picture is stored. If not, it is refused.

        Raises:
            InvalidImage, InvalidDataset: The file can't be read, or breaks a limit.
        """
        return self._runner.run(self._transport.upload(file, first_frame=first_frame))

    def provenance(self, file: PictureFile) -> ProvenanceReport:
        """Return what a picture says about its origin, and the jobs that made it. Nothing is stored.

        Args:
            file: As for `submit`, but no URL. Give the path or the bytes of the file: a PIL image has lost
                its metadata.

        Raises:
            InvalidImage: The file can't be read, or breaks a limit.
            ArtifactMissing: The store has no file of this name.
        """
        return self._runner.run(self._transport.provenance(file))

    def artifact_bytes(self, sha256: str | Artifact) -> bytes:
        """Return the content of a stored file, such as the picture that a request names.

        Args:
            sha256: Name of the file: the SHA-256 of its bytes, 64 hexadecimal digits in lower case. Or the
                artifact.

        Raises:
            ArtifactMissing: The store has no file of this name.
        """
        return self._runner.run(self._transport.artifact_bytes(name_of(sha256)))

    def models(self, kind: KindName | UntypedKind | None = None) -> Sequence[Model]:
        """Return the models of one kind or of all kinds. The first model of a kind is its default.

        The models of the catalogue come first, then the newest trained models: of the key's tenant, or of
        jobs without a tenant.
        """
        return self._runner.run(self._transport.models(kind))

    def kinds(self) -> Sequence[KindDescription]:
        """Return all kinds of job, each with the JSON Schemas of its request and its result."""
        return self._runner.run(self._transport.kinds())

    def workers(self) -> Sequence[SeenWorker]:
        """Return the workers that are running."""
        return self._runner.run(self._transport.workers())

    def queues(self) -> Sequence[QueueState]:
        """Return how many jobs of each kind wait and run, of all tenants. It may be a second old."""
        return self._runner.run(self._transport.queues())

    def _submitted(self, kind: str, parameters: Mapping[str, Any]) -> Job:
        return self.submit_many([{**parameters, "kind": kind}])[0]

    def _repeated(self, job: Job | str, changes: Mapping[str, Any]) -> Job:
        return self._runner.run(self._transport.retry(id_of(job), changes))

    def close(self) -> None:
        """Close all connections."""
        self._runner.run(self._transport.close())
        self._runner.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.place!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
