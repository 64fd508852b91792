"""The client: how another program submits jobs, waits for them and finds them again."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import uuid_utils
from brushwork_schemas.admission import Admitted, admit
from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.broker import Publisher, celery_app
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.database import Database
from brushwork_schemas.errors import BrushworkError, InvalidRequest, JobNotEnded, ServiceUnreachable
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_index import JobFilter, JobIndex
from brushwork_schemas.kinds import kind_named
from brushwork_schemas.ledger import Dispatch, Ledger, NewJob
from brushwork_schemas.options import JobOptions, digest, taken_options
from brushwork_schemas.preview import Preview
from brushwork_schemas.roster import Roster, SeenWorker
from brushwork_schemas.settings import Settings
from brushwork_schemas.states import JobState
from brushwork_schemas.wire import Wire
from pydantic import BaseModel

from brushwork.image_input import ImageInputs
from brushwork.waiting import Waiting

LOGGER = logging.getLogger(__name__)
# Inside the class, `list` is the method.
Jobs = list[Job]
MOST_LISTED = 10_000
# Stands for the picture while all else is checked.
NO_PICTURE_YET = "0" * 64


class Client:
    """Talks to the ledger, the queue and the artifact store. Safe to share between threads.

    Every argument that is left out is read from `BRUSHWORK_REDIS_URL`, `BRUSHWORK_DATABASE_URL` or
    `BRUSHWORK_ARTIFACTS_URL`, else from the `brushwork.env` that `brushwork up` writes.

    Args:
        redis_url: The broker.
        database_url: The ledger.
        artifacts_url: The artifact store.
        settings: All of them at once, and the rest; the three above win over it.
    """

    def __init__(
        self,
        *,
        redis_url: str | None = None,
        database_url: str | None = None,
        artifacts_url: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        addresses = {
            "redis_url": redis_url,
            "database_url": database_url,
            "artifacts_url": artifacts_url,
        }
        self.settings = settings.overridden(**addresses) if settings else Settings.load(**addresses)
        self._database = Database(self.settings.database_url.get_secret_value())
        self._store = ArtifactStore(self.settings.artifacts_url)
        self._images = ImageInputs(self._store, allow_addresses=self.settings.image_addresses)
        self._ledger = Ledger(self._database)
        self._index = JobIndex(self._database)
        self._wire = Wire(self._database)
        self._celery = celery_app(self.settings)
        self._publisher = Publisher(self._celery)
        self._catalogue = Catalogue.load(self.settings.catalogue)

    def submit(self, kind: str, /, **parameters: Any) -> Job:
        """Accept one job: it is durable when this returns, whether or not Redis answers.

        Args:
            kind: `text-to-image`, `image-to-text`, `image-classification` or `image-segmentation`.
            **parameters: The fields of the kind's request, and those of `JobOptions`: `priority`, `tenant`,
                `deadline_s`, `idempotency_key`, `webhook_url`. `image` may be a path, bytes, a PIL image, an
                artifact of another job, or an address.

        Raises:
            UnknownKind, UnknownModel, InvalidRequest, InvalidImage: Something in it is wrong; the
                error names the field. Nothing was written.
            IdempotencyConflict: The key stands for another request.
            ServiceUnreachable: The database or the store does not answer. Nothing was accepted, unless it
                went away in the very moment between the writing and the reading of the job.
        """
        return self.submit_many([{**parameters, "kind": kind}])[0]

    def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> Jobs:
        """Accept many jobs or none: one transaction, one pipelined publish.

        Args:
            requests: Mappings, each with its `kind` and the parameters of `submit`. Their pictures are
                held in memory together; of the same one for many, submit it once and give its artifact.

        Returns:
            The jobs, in the order of `requests`.

        Raises:
            RequestError: As `submit`; the message starts with the index of the wrong request.
        """
        return self.accept(requests).jobs

    def accept(self, requests: Iterable[Mapping[str, Any]]) -> "Accepted":
        """As `submit_many`; says besides which of the jobs are new."""
        return self._accept([self._new_job(draft) for draft in self._drafts(list(requests))])

    def retry(self, job_id: str, /, **changes: Any) -> Job:
        """A new job with the request of one that has ended, and `retry_of` naming it.

        Everything of the request is as it was, the seed too, so that a job that succeeded comes out the same.

        Args:
            job_id: Which job.
            **changes: Parameters and options in place of its own, such as `seed=8`.

        Raises:
            JobNotFound: There is none of that id.
            JobNotEnded: It has not ended yet.
            RequestError: As `submit`.
        """
        return self.accept_retry(job_id, **changes).jobs[0]

    def accept_retry(self, job_id: str, /, **changes: Any) -> "Accepted":
        """As `retry`; says besides whether the job is new."""
        old = self.get(job_id)
        if not old.is_finished:
            raise JobNotEnded(
                f"Job {job_id} is {old.state}: only one that has ended can be run again.",
                hint="Wait for its end, or cancel it.",
            )
        said = old.request.model_dump() if isinstance(old.request, BaseModel) else dict(old.request)
        kept = {"priority": old.priority, "tenant": old.tenant, "group": old.group}
        (draft,) = self._drafts([{**said, **kept, **changes, "kind": old.kind}])
        return self._accept([replace(self._new_job(draft), retry_of=old.id)])

    def _accept(self, jobs: Sequence[NewJob]) -> "Accepted":
        if not jobs:
            return Accepted([], frozenset())
        first = self._with_room(jobs)
        submitted = self._ledger.submit(jobs, sent={job.id for job in first})
        self._send([job for job in first if job.id in submitted.sent])
        standing = self._standing(jobs, submitted.new)
        return Accepted([self._bound(job) for job in self._index.get_many(standing)], submitted.new)

    def get(self, job_id: str) -> Job:
        """The job as it is now.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._bound(self._index.get(job_id))

    def list(
        self,
        *,
        kind: str | None = None,
        state: JobState | str | None = None,
        model: str | None = None,
        tenant: str | None = None,
        group: str | None = None,
        text: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = 50,
        before: Job | None = None,
    ) -> Jobs:
        """Jobs, newest first.

        Args:
            kind: Only this kind.
            state: Only this state.
            model: Only of this model.
            tenant: Only this tenant's.
            group: Only of this group.
            text: Only those with this in prompt, caption, label or id, in any case; the newest 20,000 of
                those that fit otherwise are searched.
            created_after: Only newer ones.
            created_before: Only older ones.
            limit: At most so many, 1 to 10,000.
            before: Only older ones: the last of one page gives the next.

        Raises:
            UnknownKind, InvalidRequest: There is no such kind or state, or the limit is out of its range.
        """
        if kind is not None:
            kind_named(kind)
        if not 1 <= limit <= MOST_LISTED:
            raise InvalidRequest(
                f"limit: it should be 1 to {MOST_LISTED}; it was {limit}.",
                field="limit",
                hint="Give the last job of a page as `before` for the next.",
            )
        wanted = JobFilter(
            kind=kind,
            state=_state(state),
            model=model,
            tenant=tenant,
            group=group,
            text=text,
            created_after=created_after,
            created_before=created_before,
        )
        jobs = self._index.list(wanted, limit=limit, before=before)
        return [self._bound(job) for job in jobs]

    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """State and progress alone: cheaper than `get` for who asks often.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._index.state(job_id)

    def preview(self, job_id: str) -> Preview | None:
        """The newest preview of a running job, if there is one; None for a job that does not run.

        Asking has them made: at most one a second, for ten seconds after each question, so the first
        question is mostly answered by None. Kinds without steps and models without an encoder have none.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._wire.preview(job_id)

    def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[JobState, Progress], None] | None = None,
        on_preview: Callable[[Preview], None] | None = None,
    ) -> Job:
        """Wait until the job has ended, in whatever state; `job.raise_for_state()` asks for success.

        Args:
            job_id: Which job.
            timeout_s: Give up waiting after so long; by default never.
            on_progress: Called with state and progress whenever they have changed.
            on_preview: Called with each new preview; none are made unless somebody asks.

        Raises:
            JobNotFound: There is none of that id.
            WaitTimeout: It has not ended in time; it goes on.
        """
        waiting = Waiting(job_id, timeout_s, on_progress, on_preview)
        while not waiting.is_over(*self.look(job_id)):
            if waiting.wants_preview():
                waiting.show(self.preview(job_id))
            time.sleep(waiting.pause_s())
        return self.get(job_id)

    def cancel(self, job_id: str) -> Job:
        """Withdraw a job. A queued one is canceled at once, a running one at its next step.

        Returns:
            The job after the call; one that had already ended is unchanged.

        Raises:
            JobNotFound: There is none of that id.
        """
        self._ledger.cancel(job_id)
        return self.get(job_id)

    def models(self, kind: str | None = None) -> Sequence[Model]:
        """The catalogue's models, of one kind or all; the first of a kind is its default."""
        return [model for model in self._catalogue if kind in (None, model.kind)]

    def workers(self) -> Sequence[SeenWorker]:
        """The workers that are there."""
        return Roster(self._database).workers()

    def artifact_bytes(self, sha256: str) -> bytes:
        """A stored file by its name, such as the picture that a request refers to.

        Raises:
            ArtifactMissing: The store has none of that name.
        """
        return self._store.get(sha256)

    def close(self) -> None:
        """Close all connections."""
        self._celery.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _drafts(self, requests: Sequence[Mapping[str, Any]]) -> Sequence["Draft"]:
        """All requests checked before anything is stored, so that a wrong one leaves no file behind."""
        drafts = []
        for index, request in enumerate(requests):
            with _placed(index, len(requests)):
                drafts.append(self._checked(request))
        for index, draft in enumerate(drafts):
            with _placed(index, len(requests)):
                draft.picture = None if draft.image is None else self._images.read(draft.image)
        return drafts

    def _checked(self, request: Mapping[str, Any]) -> "Draft":
        if not isinstance(request, Mapping):
            raise InvalidRequest(f"A request is a mapping with its kind, no {type(request).__name__}.")
        parameters = dict(request)
        kind = parameters.pop("kind", None)
        options = taken_options(parameters)
        image = parameters.get("image")
        said = {name: value for name, value in parameters.items() if name != "image"}
        if image is not None:
            parameters["image"] = NO_PICTURE_YET
        return Draft(admit(kind, parameters, self._catalogue), options, said, image)

    def _with_room(self, jobs: Sequence[NewJob]) -> Sequence[NewJob]:
        """Those for whose messages there is room in Redis; the others wait in the ledger."""
        try:
            room = Counter({kind: self._room(kind) for kind in {job.kind for job in jobs}})
        except ServiceUnreachable as error:
            LOGGER.warning("A worker will publish what is submitted now: %s", error)
            return []
        first = []
        for job in jobs:
            if room[job.kind] > 0:
                room[job.kind] -= 1
                first.append(job)
        return first

    def _room(self, kind: str) -> int:
        return self.settings.queue_ahead - self._publisher.num_waiting(kind)

    def _send(self, jobs: Sequence[NewJob]) -> None:
        if not jobs:
            return
        if not self._publisher.publish([Dispatch(job.id, job.kind, job.label, job.priority) for job in jobs]):
            # Only to have it sent sooner: in the end, a job whose message is missing is noticed anyway.
            with suppress(ServiceUnreachable):
                self._ledger.undispatch([job.id for job in jobs])

    def _standing(self, jobs: Sequence[NewJob], new: Collection[str]) -> Sequence[str]:
        """The ids of the jobs that stand for these: of a repeated idempotency key, the earlier one's."""
        keys: dict[str, list[str]] = {}
        for job in jobs:
            if job.id not in new and job.idempotency_key:
                keys.setdefault(job.tenant, []).append(job.idempotency_key)
        earlier = {
            (tenant, key): job_id
            for tenant, repeated in keys.items()
            for key, job_id in self._index.ids_of_keys(tenant, repeated).items()
        }
        return [job.id if job.id in new else earlier[job.tenant, job.idempotency_key or ""] for job in jobs]

    def _new_job(self, draft: "Draft") -> NewJob:
        admitted, request = draft.admitted, draft.admitted.request
        inputs: tuple[Artifact, ...] = ()
        if draft.picture is not None:
            inputs = (self._images.keep(draft.picture),)
            request = request.model_copy(update={"image": inputs[0].sha256})
        options = draft.options
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
            # Of what was said: a seed that was drawn differs each time.
            request_sha256=digest(admitted.kind.name, draft.said, inputs)
            if options.idempotency_key
            else None,
            id=str(uuid_utils.uuid7()),
            kind=admitted.kind.name,
            model=admitted.model.name,
            label=admitted.label,
            request=request.model_dump(mode="json"),
            max_attempts=self.settings.max_attempts,
            inputs=inputs,
        )

    def _bound(self, job: Job) -> Job:
        for artifact in artifacts_within(job.result):
            artifact.bind(self._store)
        return job


@dataclass(frozen=True)
class Accepted:
    """What became of requests.

    Args:
        jobs: The jobs that stand for them, in their order.
        new: Ids of those that were not there before: the others are those of repeated idempotency keys.
    """

    jobs: Jobs
    new: frozenset[str]


@dataclass
class Draft:
    """A request on its way to a job: its parameters are checked, its picture is read and not stored yet."""

    admitted: Admitted
    options: JobOptions
    said: Mapping[str, Any]
    image: object
    picture: Artifact | bytes | None = None


@contextmanager
def _placed(index: int, count: int) -> Iterator[None]:
    """Say in an error which of several requests it is about."""
    try:
        yield
    except BrushworkError as error:
        error.index = index
        if count > 1:
            error.message = f"requests[{index}]: {error.message}"
        raise


def _state(state: JobState | str | None) -> JobState | None:
    try:
        return None if state is None else JobState(state)
    except ValueError:
        raise InvalidRequest(
            f"There is no state {state!r}.", field="state", hint=f"States are {', '.join(JobState)}."
        ) from None
