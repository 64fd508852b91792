"""Everything a gateway process holds, put together once."""

from dataclasses import dataclass

from brushwork_schemas.api_keys import ApiKeys
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.database import Database
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.settings import Settings
from brushwork_schemas.wire import Wire
from fastapi import Request

from brushwork.client import Client
from brushwork.gateway.access import Access
from brushwork.gateway.watch import Watch


@dataclass(frozen=True)
class Services:
    """What routes use."""

    settings: Settings
    client: Client
    database: Database
    store: ArtifactStore
    access: Access
    watch: Watch

    @classmethod
    def of(cls, request: Request) -> "Services":
        """Those of the application that got this request."""
        services: Services = request.app.state.services
        return services

    def close(self) -> None:
        """Close all connections."""
        self.client.close()
        self.database.close()


def services(settings: Settings) -> Services:
    """Open all that a gateway needs."""
    database = Database(settings.database_url.get_secret_value())
    return Services(
        settings=settings,
        client=Client(settings=settings),
        database=database,
        store=ArtifactStore(settings.artifacts_url),
        access=Access(ApiKeys(database)),
        watch=Watch(JobIndex(database), Wire(database)),
    )
