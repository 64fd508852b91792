"""Database, artifact store and the objects that use them, each built once in a process."""

from dataclasses import dataclass
from typing import Self

from brushwork_core.audit.audit_log import AuditLog
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.files.store_probe import StoreProbe
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.files.trained_models import TrainedModels
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.held_results import HeldResults
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_core.media.decoders.pool import decoder_of
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import PolicySet
from brushwork_core.provenance.credentials.source import trusted_pem
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue

from brushwork.inputs.file_origin import FileOrigin


@dataclass(frozen=True)
class Backend:
    """What a client without HTTP, and the gateway, work with. Safe to share between threads.

    Args:
        database: Database of the ledger.
        store: Store of files.
        store_probe: Tells whether the store can be used.
        ledger: Writes jobs.
        index: Reads jobs.
        outlooks: Estimates when jobs start and end. It caches what many jobs share for about a second.
        job_signals: Requests and reads previews.
        job_deletion: Deletes jobs.
        tenant_files: Knows which tenant may see which file.
        trained_models: The models that jobs have trained.
        worker_registry: The workers that the database knows.
        catalogue: The models that requests may name.
        decoder: Decodes the pictures that callers give.
        file_origin: Reports about the origin of files.
        policies: What the operator allows callers to ask for.
        decision_log: Records what policies decide.
        held_results: Results that wait for a reviewer.
    """

    database: Database
    store: ArtifactStore
    store_probe: StoreProbe
    ledger: Ledger
    index: JobIndex
    outlooks: Outlooks
    job_signals: JobSignals
    job_deletion: JobDeletion
    tenant_files: TenantFiles
    trained_models: TrainedModels
    worker_registry: WorkerRegistry
    catalogue: Catalogue
    decoder: Decoder
    file_origin: FileOrigin
    policies: PolicySet
    decision_log: DecisionLog
    held_results: HeldResults

    @classmethod
    def opened(cls, settings: Settings, user: str = "client", *, decoders: int | None = None) -> Self:
        """Build all objects. Connections are opened when they are needed.

        Args:
            settings: Settings with the addresses.
            user: Kind and name of the process, for the list of connections of PostgreSQL.
            decoders: Number of child processes that decode pictures; by default, the setting for clients.
        """
        database = Database(settings.database_url.get_secret_value(), user)
        store = ArtifactStore(settings.artifacts_url)
        size = settings.client_decoders if decoders is None else decoders
        decoder = decoder_of(size, trusted_pem(settings.credentials))
        return cls(
            database=database,
            store=store,
            store_probe=StoreProbe(store),
            ledger=Ledger(database, is_stored=store.has),
            index=JobIndex(database),
            outlooks=Outlooks(database, fresh_s=settings.lease_s),
            job_signals=JobSignals(database),
            tenant_files=TenantFiles(database, store.has),
            job_deletion=JobDeletion(database, store),
            trained_models=TrainedModels(database),
            worker_registry=WorkerRegistry(database),
            catalogue=Catalogue.load(settings.catalogue),
            decoder=decoder,
            file_origin=FileOrigin(decoder, database),
            policies=PolicySet.load(settings.policies),
            decision_log=DecisionLog(AuditLog(database)),
            held_results=HeldResults(database, UnusedFiles(database, store).remove),
        )

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
