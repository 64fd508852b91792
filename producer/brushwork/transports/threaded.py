"""A door for asyncio whose calls run in threads, so that the event loop never waits for a database."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.model_list import ModelList
from brushwork.transports.transport import Jobs, Transport
from brushwork.waiting import PollingWait


class ThreadedTransport:
    """Each method as `Client` says, awaited.

    Args:
        transport: What it leads to.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def place(self) -> str:
        """Where it leads to, without passwords."""
        return self._transport.place

    async def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        return await asyncio.to_thread(self._transport.submit_many, requests)

    async def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """As `Client.retry`."""
        return await asyncio.to_thread(self._transport.retry, job_id, changes)

    async def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        return await asyncio.to_thread(self._transport.get, job_id)

    async def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """As `Client.list`."""
        return await asyncio.to_thread(self._transport.list, wanted, limit, before)

    async def look(self, job_id: str) -> tuple[JobState, Progress]:
        """As `Client.look`."""
        return await asyncio.to_thread(self._transport.look, job_id)

    async def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`."""
        return await asyncio.to_thread(self._transport.preview, job_id)

    async def wait(self, job_id: str, waiting: PollingWait) -> Job:
        """As `Client.wait`, without a thread for as long as it takes; callbacks run in the event loop."""
        while not waiting.is_over(*await self.look(job_id)):
            if waiting.wants_preview():
                waiting.show(await self.preview(job_id))
            await asyncio.sleep(waiting.pause_s())
        return await self.get(job_id)

    async def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        return await asyncio.to_thread(self._transport.cancel, job_id)

    async def outlook(self, job_id: str) -> Outlook | None:
        """As `Client.outlook`."""
        return await asyncio.to_thread(self._transport.outlook, job_id)

    async def upload(self, file: object) -> Artifact:
        """As `Client.upload`."""
        return await asyncio.to_thread(self._transport.upload, file)

    async def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        return await asyncio.to_thread(self._transport.artifact_bytes, sha256)

    def models(self, kind: str | None) -> ModelList:
        """As `Client.models`; a sequence at once, too, which then waits for the database."""
        return ModelList(
            look=lambda: self._transport.models(kind),
            ask=lambda: asyncio.to_thread(self._transport.models, kind),
        )

    async def kinds(self) -> Sequence[KindDescription]:
        """As `Client.kinds`."""
        return await asyncio.to_thread(self._transport.kinds)

    async def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`."""
        return await asyncio.to_thread(self._transport.workers)

    async def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`."""
        return await asyncio.to_thread(self._transport.queues)

    async def close(self) -> None:
        """As `Client.close`."""
        await asyncio.to_thread(self._transport.close)
