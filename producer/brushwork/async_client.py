"""The client for asyncio: the same methods, each awaited."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from brushwork_schemas.catalogue import Model
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.roster import SeenWorker
from brushwork_schemas.settings import Settings
from brushwork_schemas.states import JobState

from brushwork.client import Client, Jobs
from brushwork.waiting import Waiting


class AsyncClient:
    """A `Client` whose calls run in threads, so that the event loop never waits for a database.

    Args:
        redis_url: As for `Client`.
        database_url: As for `Client`.
        artifacts_url: As for `Client`.
        settings: As for `Client`.
    """

    def __init__(
        self,
        *,
        redis_url: str | None = None,
        database_url: str | None = None,
        artifacts_url: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._client = Client(
            redis_url=redis_url,
            database_url=database_url,
            artifacts_url=artifacts_url,
            settings=settings,
        )
        self.settings = self._client.settings

    async def submit(self, kind: str, /, **parameters: Any) -> Job:
        """As `Client.submit`."""
        return await asyncio.to_thread(self._client.submit, kind, **parameters)

    async def submit_many(self, requests: Iterable[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        return await asyncio.to_thread(self._client.submit_many, requests)

    async def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        return await asyncio.to_thread(self._client.get, job_id)

    async def list(self, **wanted: Any) -> Jobs:
        """As `Client.list`."""
        return await asyncio.to_thread(self._client.list, **wanted)

    async def retry(self, job_id: str, /, **changes: Any) -> Job:
        """As `Client.retry`."""
        return await asyncio.to_thread(self._client.retry, job_id, **changes)

    async def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`."""
        return await asyncio.to_thread(self._client.preview, job_id)

    async def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[JobState, Progress], None] | None = None,
        on_preview: Callable[[Preview], None] | None = None,
    ) -> Job:
        """As `Client.wait`; `on_progress` and `on_preview` are called in the event loop."""
        waiting = Waiting(job_id, timeout_s, on_progress, on_preview)
        while not waiting.is_over(*await asyncio.to_thread(self._client.look, job_id)):
            if waiting.wants_preview():
                waiting.show(await self.preview(job_id))
            await asyncio.sleep(waiting.pause_s())
        return await self.get(job_id)

    async def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        return await asyncio.to_thread(self._client.cancel, job_id)

    def models(self, kind: str | None = None) -> Sequence[Model]:
        """As `Client.models`; asks nobody, so it is not awaited."""
        return self._client.models(kind)

    async def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`."""
        return await asyncio.to_thread(self._client.workers)

    async def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        return await asyncio.to_thread(self._client.artifact_bytes, sha256)

    async def close(self) -> None:
        """As `Client.close`."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
