"""The door to a gateway by HTTP, for asyncio."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import httpx
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
from brushwork.transports.connection import Connection, answer_of, lost
from brushwork.transports.exchange import ConnectionLost, HttpRequest, Pause, Talk, Work
from brushwork.transports.gateway_protocol import GatewayProtocol
from brushwork.transports.http import HttpTransport
from brushwork.transports.retrying import Retrying
from brushwork.transports.transport import Jobs
from brushwork.waiting import PollingWait

_Given = TypeVar("_Given")


class AsyncHttpTransport:
    """Each method as `Client` says, in one event loop.

    Args:
        connection: How the gateway is reached.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._files = BlockingFiles(connection)
        self._protocol = GatewayProtocol(Retrying(connection.address, connection.patience_s), self._files)
        self._http = httpx.AsyncClient(**connection.options())

    @property
    def place(self) -> str:
        """The gateway's address."""
        return self._connection.address

    async def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        return await self._carry(self._protocol.submit_many(requests))

    async def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """As `Client.retry`."""
        return await self._carry(self._protocol.retry(job_id, changes))

    async def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        return await self._carry(self._protocol.get(job_id))

    async def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """As `Client.list`."""
        return await self._carry(self._protocol.list(wanted, limit, before))

    async def look(self, job_id: str) -> tuple[JobState, Progress]:
        """As `Client.look`."""
        return await self._carry(self._protocol.look(job_id))

    async def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`."""
        return await self._carry(self._protocol.preview(job_id))

    async def wait(self, job_id: str, waiting: PollingWait) -> Job:
        """As `Client.wait`."""
        return await self._carry(self._protocol.wait(job_id, waiting))

    async def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        return await self._carry(self._protocol.cancel(job_id))

    async def outlook(self, job_id: str) -> Outlook | None:
        """As `Client.outlook`."""
        return await self._carry(self._protocol.outlook(job_id))

    async def upload(self, file: object) -> Artifact:
        """As `Client.upload`."""
        return await self._carry(self._protocol.upload(file))

    async def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        return await self._carry(self._protocol.artifact_bytes(sha256))

    def models(self, kind: str | None) -> ModelList:
        """As `Client.models`, to be awaited."""
        return ModelList(ask=lambda: self._carry(self._protocol.models(kind)))

    async def kinds(self) -> Sequence[KindDescription]:
        """As `Client.kinds`."""
        return await self._carry(self._protocol.kinds())

    async def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`."""
        return await self._carry(self._protocol.workers())

    async def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`."""
        return await self._carry(self._protocol.queues())

    async def close(self) -> None:
        """As `Client.close`."""
        self._files.close()
        await self._http.aclose()

    async def _carry(self, talk: Talk[_Given]) -> _Given:
        """Carry a talk out, to its end."""
        done: Any = None
        try:
            while True:
                step = talk.throw(done) if isinstance(done, ConnectionLost) else talk.send(done)
                done = await self._done(step)
        except StopIteration as ended:
            given: _Given = ended.value
            return given
        finally:
            talk.close()

    async def _done(self, step: HttpRequest | Pause | Work) -> Any:
        """What comes of a step; where a call is not answered, that it is lost."""
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Work):
            return await asyncio.to_thread(step.do)
        try:
            asked = self._connection.request(step, in_tasks=True)
            return answer_of(await self._http.request(**asked))
        except httpx.TransportError as error:
            return lost(error)


class BlockingFiles:
    """Where artifacts fetch their bytes: `bytes()` can't be awaited, so it has a door of its own.

    Args:
        connection: How the gateway is reached.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transport: HttpTransport | None = None

    def get(self, sha256: str) -> bytes:
        """As `ByteSource.get`."""
        if self._transport is None:
            self._transport = HttpTransport(self._connection)
        return self._transport.artifact_bytes(sha256)

    def close(self) -> None:
        """Close its connections."""
        if self._transport is not None:
            self._transport.close()
