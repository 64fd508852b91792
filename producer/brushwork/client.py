"""The client: how another program submits jobs, waits for them and finds them again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.transports.choice import chosen_settings, opened
from brushwork.transports.transport import Jobs, Transport
from brushwork.waiting import PollingWait

MOST_LISTED = 10_000


class Client:
    """Submits jobs and finds them again, through a gateway or straight at the servers.

    Safe to share between threads. Every argument that is left out is read from `BRUSHWORK_...` in the
    environment, else from the `brushwork.env` that `brushwork up` writes. With an address, here or as
    `BRUSHWORK_URL`, all goes by HTTP; else, or where one of the servers is named here, straight there.

    Args:
        address: Of a gateway, such as `http://127.0.0.1:8600`.
        key: For the gateway, where it asks for one: `bw_...`.
        redis_url: The broker.
        database_url: The ledger.
        artifacts_url: The artifact store.
        settings: All of them at once, and the rest; the others win over it.
        patience_s: How long in all a call waits where a gateway says when to come again (a rate, a budget, a
            full queue); by default it raises at once.
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
        self._transport: Transport = opened(self.settings, patience_s)

    def submit(self, kind: str, /, **parameters: Any) -> Job:
        """Accept one job: it is durable when this returns, whether or not Redis answers.

        Args:
            kind: Such as `text-to-image`; `kinds` lists them.
            **parameters: The fields of the kind's request, and those of `JobOptions`: `priority`, `tenant`,
                `deadline_s`, `idempotency_key`, `webhook_url`. A picture (`image`, `mask_image`,
                `control_image`) may be a path, bytes, a PIL image, an artifact of another job, or an
                address; a `dataset` a path of an archive or of a folder, bytes, an open file, or an artifact.

        Raises:
            UnknownKind, UnknownModel, InvalidRequest, InvalidImage, InvalidDataset: Something in it is
                wrong; the error names the field. Nothing was written.
            IdempotencyConflict: The key stands for another request.
            ServiceUnreachable: The gateway, the database or the store does not answer. Nothing was accepted,
                unless it went away in the very moment between the writing and the reading of the job.
        """
        return self.submit_many([{**parameters, "kind": kind}])[0]

    def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> Jobs:
        """Accept many jobs or none: one transaction, one pipelined publish. A gateway takes 1000 at once.

        Args:
            requests: Mappings, each with its `kind` and the parameters of `submit`. Their pictures are
                held in memory together; of the same one for many, submit it once and give its artifact.

        Returns:
            The jobs, in the order of `requests`.

        Raises:
            RequestError: As `submit`; the message starts with the index of the wrong request.
        """
        return self._transport.submit_many(list(requests))

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
        return self._transport.retry(job_id, changes)

    def get(self, job_id: str) -> Job:
        """The job as it is now.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._transport.get(job_id)

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
        wanted = JobFilter(
            kind=kind,
            state=known_state(state),
            model=model,
            tenant=tenant,
            group=group,
            text=text,
            created_after=created_after,
            created_before=created_before,
        )
        return self._transport.list(wanted, checked_limit(limit), before)

    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """State and progress alone: cheaper than `get` for who asks often.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._transport.look(job_id)

    def preview(self, job_id: str) -> Preview | None:
        """The newest preview of a running job, if there is one; None for a job that does not run.

        Asking has them made: at most one a second, for ten seconds after each question, so the first
        question is mostly answered by None. Kinds without steps and models without an encoder have none.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._transport.preview(job_id)

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
        return self._transport.wait(job_id, PollingWait(job_id, timeout_s, on_progress, on_preview))

    def cancel(self, job_id: str) -> Job:
        """Withdraw a job. A queued one is canceled at once, a running one at its next step.

        Returns:
            The job after the call; one that had already ended is unchanged.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._transport.cancel(job_id)

    def outlook(self, job_id: str) -> Outlook | None:
        """What lies ahead of a job: its place, when it may start and end, whether a worker can run it.

        Returns:
            None once it has ended.

        Raises:
            JobNotFound: There is none of that id.
        """
        return self._transport.outlook(job_id)

    def upload(self, file: object) -> Artifact:
        """Store a picture or a data set, for several jobs; `submit` takes them as well, and stores them too.

        Args:
            file: As for `submit`; an archive, a folder or an open file is a data set, all else a picture.

        Raises:
            InvalidImage, InvalidDataset: It can't be read, or breaks a limit.
        """
        return self._transport.upload(file)

    def artifact_bytes(self, sha256: str) -> bytes:
        """A stored file by its name, such as the picture that a request refers to.

        Raises:
            ArtifactMissing: The store has none of that name.
        """
        return self._transport.artifact_bytes(sha256)

    def models(self, kind: str | None = None) -> Sequence[Model]:
        """The models of one kind or all; the first of a kind is its default.

        Behind those of the catalogue are the newest that jobs have trained, of the key's tenant or of none.
        """
        return self._transport.models(kind)

    def kinds(self) -> Sequence[KindDescription]:
        """All kinds of job, each with the JSON Schemas of its request and its result."""
        return self._transport.kinds()

    def workers(self) -> Sequence[SeenWorker]:
        """The workers that are there."""
        return self._transport.workers()

    def queues(self) -> Sequence[QueueState]:
        """How much waits and runs of each kind, of all tenants together; about a second old."""
        return self._transport.queues()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

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


def known_state(state: JobState | str | None) -> JobState | None:
    """The state of that name.

    Raises:
        InvalidRequest: There is none.
    """
    try:
        return None if state is None else JobState(state)
    except ValueError:
        raise InvalidRequest(
            f"There is no state {state!r}.", field="state", hint=f"States are {', '.join(JobState)}."
        ) from None


def checked_limit(limit: int) -> int:
    """`limit`, if a list may be so long.

    Raises:
        InvalidRequest: It may not.
    """
    if 1 <= limit <= MOST_LISTED:
        return limit
    raise InvalidRequest(
        f"limit: it should be 1 to {MOST_LISTED}; it was {limit}.",
        field="limit",
        hint="Give the last job of a page as `before` for the next.",
    )
