"""Everything a gateway process holds, put together once."""

from dataclasses import dataclass, field

from anyio import CapacityLimiter
from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks
from brushwork_core.settings.settings import Settings
from fastapi import Request

from brushwork.direct_client import DirectClient
from brushwork.gateway.admission.access import Access
from brushwork.gateway.admission.limits import KeyLimits
from brushwork.gateway.admission.stream_limit import StreamLimit
from brushwork.gateway.watching.watcher import Watch

# Pictures of callers that are decoded at once: each may take 150 MB for a moment.
DECODERS = 2
# Pictures that are fetched by address at once: each may take 20 s.
FETCHERS = 4


@dataclass(frozen=True)
class Services:
    """What routes use."""

    settings: Settings
    client: DirectClient
    database: Database
    store: ArtifactStore
    access: Access
    limits: KeyLimits
    index: JobIndex
    outlooks: Outlooks
    watch: Watch
    stream_limit: StreamLimit = field(default_factory=StreamLimit)
    decoders: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(DECODERS))
    fetchers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(FETCHERS))

    @classmethod
    async def of(cls, request: Request) -> "Services":
        """Those of the application that got this request."""
        # Async, or FastAPI would take a thread for it, at every request.
        services: Services = request.app.state.services
        return services

    def close(self) -> None:
        """Close all connections."""
        self.client.close()
        self.limits.close()
        self.database.close()


def services(settings: Settings) -> Services:
    """Open all that a gateway needs."""
    database = Database(settings.database_url.get_secret_value())
    return Services(
        settings=settings,
        client=DirectClient(settings, database),
        database=database,
        store=ArtifactStore(settings.artifacts_url),
        access=Access(ApiKeys(database)),
        limits=KeyLimits(settings, database),
        index=JobIndex(database),
        outlooks=Outlooks(database, fresh_s=settings.lease_s),
        watch=Watch(JobIndex(database), JobSignals(database)),
    )
