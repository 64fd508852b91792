"""The objects of a gateway process. Each is built once."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.audit.audit_log import AuditLog
from brushwork_core.database.database import Database
from brushwork_core.database.write_queue import answered_within
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks
from brushwork_core.settings.settings import Settings
from fastapi import Request

from brushwork.direct_client import DirectClient
from brushwork.gateway.admission.access import Access, Principal
from brushwork.gateway.admission.body_room import BodyRoom
from brushwork.gateway.admission.fair_pool import FairPool
from brushwork.gateway.admission.fair_threads import FairThreads
from brushwork.gateway.admission.limits import KeyLimits
from brushwork.gateway.admission.request_audit import RequestAudit
from brushwork.gateway.admission.stream_limit import StreamLimit
from brushwork.gateway.readiness import ReadinessChecks
from brushwork.gateway.watching.watcher import Watch
from brushwork.transports.backend import Backend

# Requests whose pictures are decoded at the same time. Each holds its pictures while it waits for a decoder.
DECODERS = 6
# Pictures that are fetched by address at the same time. Each takes up to 20 s.
FETCHERS = 12
# Lists of jobs that are read at the same time. Some read many rows, and all requests have 40 threads.
LISTS = 16
# Threads that write to the database. While it is locked they all wait. Reads have threads of their own: the
# 40 of the web framework.
WRITERS = 32
_Answer = TypeVar("_Answer")
_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True)
class Services:
    """What routes use.

    Args:
        settings: Settings of the gateway.
        backend: Database, store, and the objects that use them. `client` works with the same ones.
        client: Submits and reads jobs.
        access: Finds the principal of a request.
        limits: Limits of API keys and queues.
        watch: Watches jobs for event streams and waiting requests.
        readiness: Checks whether jobs and files can be accepted.
        audit: Records what admin keys do with jobs of other tenants, and which keys a limit refuses.
        stream_limit: Limits the number of event streams and waiting requests.
        bodies: Room for the bodies of requests that are being received.
        lists: Limits the number of threads that list jobs.
        decoders: Threads that have pictures decoded.
        fetchers: Threads that fetch pictures by address, or read archives.
        writers: Threads that write to the database.
    """

    settings: Settings
    backend: Backend
    client: DirectClient
    access: Access
    limits: KeyLimits
    watch: Watch
    readiness: ReadinessChecks
    audit: RequestAudit
    stream_limit: StreamLimit
    bodies: BodyRoom
    lists: FairPool = field(default_factory=lambda: FairPool(LISTS))
    decoders: FairThreads = field(default_factory=lambda: FairThreads(DECODERS))
    fetchers: FairThreads = field(default_factory=lambda: FairThreads(FETCHERS))
    writers: FairThreads = field(default_factory=lambda: FairThreads(WRITERS))

    async def write(
        self,
        principal: Principal,
        function: Callable[_Arguments, _Answer],
        *args: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Answer:
        """Run a function that writes to the database, in a thread that no read needs.

        The time limit of its writes counts from now, so it includes the wait for a thread.

        Args:
            principal: For whom. Tenants take turns.
            function: What is called.
            args: Its arguments.
            options: Its keyword arguments.

        Raises:
            ServiceUnreachable: The database stays locked.
        """
        with answered_within(self.database.write_limit_s):
            return await self.writers.run(principal.stream_tenant, partial(function, *args, **options))

    @classmethod
    async def of(cls, request: Request) -> "Services":
        """Return the services of the application that received a request; a FastAPI dependency."""
        # FastAPI would run a plain function in a thread, for every request.
        services: Services = request.app.state.services
        return services

    @property
    def database(self) -> Database:
        """Database of the ledger."""
        return self.backend.database

    @property
    def store(self) -> ArtifactStore:
        """Store of files."""
        return self.backend.store

    @property
    def ledger(self) -> Ledger:
        """Writes jobs."""
        return self.backend.ledger

    @property
    def index(self) -> JobIndex:
        """Reads jobs."""
        return self.backend.index

    @property
    def outlooks(self) -> Outlooks:
        """Estimates when jobs start and end."""
        return self.backend.outlooks

    @property
    def tenant_files(self) -> TenantFiles:
        """Knows which tenant may see which file."""
        return self.backend.tenant_files

    def close(self) -> None:
        """Close all connections."""
        self.client.close()
        self.limits.close()
        self.readiness.close()
        self.backend.close()


def services(settings: Settings, on_lost: Callable[[int], None] = lambda number: None) -> Services:
    """Build the services of a gateway process.

    Args:
        settings: Settings of the gateway.
        on_lost: Called with a number of records of the audit log that could not be stored.
    """
    backend = Backend.opened(settings, user=f"gateway {socket.gethostname()}", decoders=settings.decoders)
    audit = RequestAudit(AuditLog(backend.database), backend.tenant_files, on_lost)
    return Services(
        settings=settings,
        backend=backend,
        client=DirectClient(settings, backend),
        access=Access(ApiKeys(backend.database)),
        limits=KeyLimits(settings, backend.database, backend.index, audit),
        watch=Watch(backend.index, backend.job_signals),
        stream_limit=StreamLimit(settings.max_streams, settings.max_streams_per_tenant),
        bodies=BodyRoom(settings),
        readiness=ReadinessChecks(settings, backend.database, backend.store_probe),
        audit=audit,
    )
