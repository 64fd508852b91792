"""The door to a gateway by HTTP."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import httpx
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.transports.connection import Connection, answer_of, lost
from brushwork.transports.exchange import ConnectionLost, HttpRequest, Pause, Talk, Work
from brushwork.transports.gateway_protocol import GatewayProtocol
from brushwork.transports.retrying import Retrying
from brushwork.transports.transport import Jobs
from brushwork.waiting import PollingWait

_Given = TypeVar("_Given")


class HttpTransport:
    """Each method as `Client` says.

    Args:
        connection: How the gateway is reached.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._protocol = GatewayProtocol(Retrying(connection.address, connection.patience_s), Files(self))
        self._http = httpx.Client(**connection.options())
        self._process = os.getpid()

    @property
    def place(self) -> str:
        """The gateway's address."""
        return self._connection.address

    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Jobs:
        """As `Client.submit_many`."""
        return self._carry(self._protocol.submit_many(requests))

    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Job:
        """As `Client.retry`."""
        return self._carry(self._protocol.retry(job_id, changes))

    def get(self, job_id: str) -> Job:
        """As `Client.get`."""
        return self._carry(self._protocol.get(job_id))

    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Jobs:
        """As `Client.list`."""
        return self._carry(self._protocol.list(wanted, limit, before))

    def look(self, job_id: str) -> tuple[JobState, Progress]:
        """As `Client.look`."""
        return self._carry(self._protocol.look(job_id))

    def preview(self, job_id: str) -> Preview | None:
        """As `Client.preview`."""
        return self._carry(self._protocol.preview(job_id))

    def wait(self, job_id: str, waiting: PollingWait) -> Job:
        """As `Client.wait`."""
        return self._carry(self._protocol.wait(job_id, waiting))

    def cancel(self, job_id: str) -> Job:
        """As `Client.cancel`."""
        return self._carry(self._protocol.cancel(job_id))

    def outlook(self, job_id: str) -> Outlook | None:
        """As `Client.outlook`."""
        return self._carry(self._protocol.outlook(job_id))

    def upload(self, file: object) -> Artifact:
        """As `Client.upload`."""
        return self._carry(self._protocol.upload(file))

    def artifact_bytes(self, sha256: str) -> bytes:
        """As `Client.artifact_bytes`."""
        return self._carry(self._protocol.artifact_bytes(sha256))

    def models(self, kind: str | None) -> Sequence[Model]:
        """As `Client.models`."""
        return self._carry(self._protocol.models(kind))

    def kinds(self) -> Sequence[KindDescription]:
        """As `Client.kinds`."""
        return self._carry(self._protocol.kinds())

    def workers(self) -> Sequence[SeenWorker]:
        """As `Client.workers`."""
        return self._carry(self._protocol.workers())

    def queues(self) -> Sequence[QueueState]:
        """As `Client.queues`."""
        return self._carry(self._protocol.queues())

    def close(self) -> None:
        """As `Client.close`."""
        self._http.close()

    def _carry(self, talk: Talk[_Given]) -> _Given:
        """Carry a talk out, to its end."""
        done: Any = None
        try:
            while True:
                step = talk.throw(done) if isinstance(done, ConnectionLost) else talk.send(done)
                done = self._done(step)
        except StopIteration as ended:
            given: _Given = ended.value
            return given
        finally:
            talk.close()

    def _done(self, step: HttpRequest | Pause | Work) -> Any:
        """What comes of a step; where a call is not answered, that it is lost."""
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Work):
            return step.do()
        try:
            return answer_of(self._open().request(**self._connection.request(step)))
        except httpx.TransportError as error:
            return lost(error)

    def _open(self) -> httpx.Client:
        if os.getpid() != self._process:
            # After a fork, two processes would talk on one connection. The other's stay open: they are its.
            self._http, self._process = httpx.Client(**self._connection.options()), os.getpid()
        return self._http


class Files:
    """Where artifacts fetch their bytes: equal for all of one door, so that equal jobs are.

    Args:
        transport: It.
    """

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport

    def get(self, sha256: str) -> bytes:
        """As `ByteSource.get`."""
        return self._transport.artifact_bytes(sha256)
