"""The client for asyncio. Its methods are those of `Client`, each awaited."""

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact, name_of
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.job import Job, Progress, ResultOfAnyT, id_of
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.inputs.job_query import checked_ids, checked_limit, job_filter
from brushwork.model_list import ModelList
from brushwork.transports.choice import chosen_settings, opened
from brushwork.transports.job_events import EventWait, JobEvent
from brushwork.transports.runners import AsyncRunner, SyncRunner
from brushwork.transports.transport import Jobs, Transport
from brushwork.transports.waiting import PollingWait
from brushwork.typed.arguments import OnPreview, OnProgress, PictureFile, StateName, UntypedKind
from brushwork.typed.async_submission import AsyncTypedSubmission
from brushwork.typed.parameters import KindName


class AsyncClient(AsyncTypedSubmission):
    """A client whose methods are awaited. It never blocks the event loop: database queries run in threads.

    Where a gateway or the servers are, is chosen as for `Client`.

    Args:
        address: Address of a gateway, such as `http://127.0.0.1:8600`.
        key: API key for the gateway, if it requires one: `bw_...`.
        redis_url: URL of the broker.
        database_url: URL of the ledger's database.
        artifacts_url: URL or folder of the artifact store.
        settings: All settings at once. The other arguments override it.
        patience_s: Seconds that a call may wait in all when the gateway responds with Retry-After.
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
        self._runner = AsyncRunner(transport.connection)

    async def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> Jobs:
        """Submit many jobs: all are accepted or none. See `Client.submit_many` for the arguments."""
        return await self._runner.run(self._transport.submit_many(list(requests)))

    async def get(self, job: Job[ResultOfAnyT] | str) -> Job[ResultOfAnyT]:
        """Return the job as it is now. Errors are those of `Client.get`."""
        return await self._runner.run(self._transport.get(id_of(job)))

    async def list(
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
        """Return jobs, newest first. Arguments and errors are those of `Client.list`."""
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
        return await self._runner.run(self._transport.list(wanted, checked_limit(limit), before))

    async def look(self, job: Job | str) -> tuple[JobState, Progress]:
        """Return only state and progress, which is cheaper than `get`. Errors are those of `Client.look`."""
        return await self._runner.run(self._transport.look(id_of(job)))

    async def preview(self, job: Job | str) -> Preview | None:
        """Return the newest preview of a running job, or None. `Client.preview` says when there is one."""
        return await self._runner.run(self._transport.preview(id_of(job)))

    async def wait(
        self,
        job: Job[ResultOfAnyT] | str,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
    ) -> Job[ResultOfAnyT]:
        """Wait until the job has ended. `on_progress` and `on_preview` are called in the event loop.

        The other arguments and the errors are those of `Client.wait`.
        """
        job_id = id_of(job)
        waiting = PollingWait(job_id, timeout_s, on_progress, on_preview)
        return await self._runner.run(self._transport.wait(job_id, waiting))

    async def wait_all(
        self, jobs: Iterable[Job[ResultOfAnyT] | str], *, timeout_s: float | None = None
    ) -> "builtins.list[Job[ResultOfAnyT]]":
        """Wait until all jobs have ended. Arguments and errors are those of `Client.wait_all`."""
        return await self._runner.run(self._transport.wait_all(checked_ids(jobs), timeout_s))

    async def events(
        self, job: Job | str, *, previews: bool = False, timeout_s: float | None = None
    ) -> AsyncIterator[JobEvent]:
        """Yield the job's state and each change, for `async for`. See `Client.events` for the arguments."""
        waiting = EventWait(id_of(job), timeout_s, previews=previews)
        while not waiting.is_over:
            for event in await self._runner.run(self._transport.changes(waiting)):
                yield event

    async def cancel(self, job: Job[ResultOfAnyT] | str) -> Job[ResultOfAnyT]:
        """Cancel a job, and return it as it is then. Errors are those of `Client.cancel`."""
        return await self._runner.run(self._transport.cancel(id_of(job)))

    async def delete(self, job: Job | str) -> None:
        """Delete a job that has ended, its result and its files. Errors are those of `Client.delete`."""
        await self._runner.run(self._transport.delete(id_of(job)))

    async def outlook(self, job: Job | str) -> Outlook | None:
        """Return the job's position and its estimated start and end; None if it has ended."""
        return await self._runner.run(self._transport.outlook(id_of(job)))

    async def upload(self, file: PictureFile, *, first_frame: bool = False) -> Artifact:
        """Store a picture or a data set. Arguments and errors are those of `Client.upload`."""
        return await self._runner.run(self._transport.upload(file, first_frame=first_frame))

    async def provenance(self, file: PictureFile) -> ProvenanceReport:
        """Return what a picture says about its origin. See `Client.provenance`."""
        return await self._runner.run(self._transport.provenance(file))

    async def artifact_bytes(self, sha256: str | Artifact) -> bytes:
        """Return the content of a stored file. Errors are those of `Client.artifact_bytes`."""
        return await self._runner.run(self._transport.artifact_bytes(name_of(sha256)))

    def models(self, kind: KindName | UntypedKind | None = None) -> ModelList:
        """Return the models of one kind or of all kinds, as `Client.models` does: await the returned list.

        With a direct connection, the list can also be used without `await`. It then blocks for one query.
        """
        flow = self._transport.models
        if self._transport.connection is not None:
            return ModelList(ask=lambda: self._runner.run(flow(kind)))
        return ModelList(lambda: SyncRunner(None).run(flow(kind)), ask=lambda: self._runner.run(flow(kind)))

    async def kinds(self) -> Sequence[KindDescription]:
        """Return all kinds of job, each with the JSON Schemas of its request and its result."""
        return await self._runner.run(self._transport.kinds())

    async def workers(self) -> Sequence[SeenWorker]:
        """Return the workers that are running."""
        return await self._runner.run(self._transport.workers())

    async def queues(self) -> Sequence[QueueState]:
        """Return how many jobs of each kind wait and run, of all tenants."""
        return await self._runner.run(self._transport.queues())

    async def _submitted(self, kind: str, parameters: Mapping[str, Any]) -> Job:
        return (await self.submit_many([{**parameters, "kind": kind}]))[0]

    async def _repeated(self, job: Job | str, changes: Mapping[str, Any]) -> Job:
        return await self._runner.run(self._transport.retry(id_of(job), changes))

    async def close(self) -> None:
        """Close all connections."""
        await self._runner.run(self._transport.close())
        await self._runner.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.place!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
