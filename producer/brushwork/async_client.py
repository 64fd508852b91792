"""The client for asyncio: the same methods, each awaited."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.client import checked_limit, known_state
from brushwork.model_list import ModelList
from brushwork.transports.choice import chosen_settings, opened_for_tasks
from brushwork.transports.transport import Jobs
from brushwork.waiting import PollingWait


class AsyncClient:
    """A `Client` that never holds up the event loop: by HTTP it awaits, the direct way runs in threads.

    Args:
        address: As for `Client`.
        key: As for `Client`.
        redis_url: As for `Client`.
        database_url: As for `Client`.
        artifacts_url: As for `Client`.
        settings: As for `Client`.
        patience_s: As for `Client`.
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
        self._transport = opened_for_tasks(self.settings, patience_s)

    async def submit(self, kind: str, /, **parameters: Any) -> Job:
        """As `Client.submit`."""
        return (await self.submit_many([{**parameters, "kind": kind}]))[0]

    async def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        return await self._transport.submit_many(list(requests))

    async def retry(self, job_id: str, /, **changes: Any) -> Job:
        """As `Client.retry`."""
        return await self._transport.retry(job_id, changes)

    async def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        return await self._transport.get(job_id)

    async def list(
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
        """As `Client.list`."""
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
        return await self._transport.list(wanted, checked_limit(limit), before)

    async def look(self, job_id: str) -> tuple[JobState, Progress]:
        """As `Client.look`."""
        return await self._transport.look(job_id)

    async def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`."""
        return await self._transport.preview(job_id)

    async def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[JobState, Progress], None] | None = None,
        on_preview: Callable[[Preview], None] | None = None,
    ) -> Job:
        """As `Client.wait`; `on_progress` and `on_preview` are called in the event loop."""
        return await self._transport.wait(job_id, PollingWait(job_id, timeout_s, on_progress, on_preview))

    async def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        return await self._transport.cancel(job_id)

    async def outlook(self, job_id: str) -> Outlook | None:
        """As `Client.outlook`."""
        return await self._transport.outlook(job_id)

    async def upload(self, file: object) -> Artifact:
        """As `Client.upload`."""
        return await self._transport.upload(file)

    async def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        return await self._transport.artifact_bytes(sha256)

    def models(self, kind: str | None = None) -> ModelList:
        """As `Client.models`; the direct way asks nobody, so that it need not be awaited."""
        return self._transport.models(kind)

    async def kinds(self) -> Sequence[KindDescription]:
        """As `Client.kinds`."""
        return await self._transport.kinds()

    async def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`."""
        return await self._transport.workers()

    async def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`."""
        return await self._transport.queues()

    async def close(self) -> None:
        """As `Client.close`."""
        await self._transport.close()

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
