"""The database, the store and the queue of a worker process."""

from collections.abc import Callable
from dataclasses import dataclass

from brushwork_core.audit.audit_log import AuditLog
from brushwork_core.database.database import Database
from brushwork_core.database.listening import open_listener
from brushwork_core.database.notifications import CHANNEL
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.trained_models import TrainedModels
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.ledger.task_ends import TaskEnds
from brushwork_core.media.decoders.pool import decoder_of
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import PolicySet
from brushwork_core.provenance.credentials.source import trusted_pem
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queue.broker import Publisher
from brushwork_core.settings.environment import cache_dir
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from celery import Celery

from brushwork_workers.dispatch.bare_messages import BareMessages
from brushwork_workers.dispatch.callback_publisher import CallbackPublisher
from brushwork_workers.dispatch.task_end_sender import TaskEndSender
from brushwork_workers.execution.attempt_files import FileAccess
from brushwork_workers.execution.held_files import HeldFiles
from brushwork_workers.execution.policies.worker_policies import WorkerPolicies
from brushwork_workers.execution.service_health import ServiceHealth
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.execution.task_events import TaskEvents
from brushwork_workers.supervision.notification_thread import Notifications


@dataclass(frozen=True)
class WorkerServices:
    """What a worker reads and writes outside its own process.

    Args:
        database: Holds the ledger and the worker registry; its tables are up to date.
        store: Holds inputs, outputs and checkpoints.
        unused_files: Removes files of the store that no job refers to.
        ledger: Grants and ends attempts.
        worker_registry: Lists the workers.
        job_signals: Reads signals for running jobs, and takes their progress.
        checkpoints: Records the checkpoints of jobs.
        trained_models: Lists the models that jobs have trained.
        publisher: Sends messages to the queue.
        task_ends: Outbox of Celery's callbacks and events.
        open_listener: Opens a connection that hears notifications; None where they do not arrive.
    """

    database: Database
    store: ArtifactStore
    unused_files: UnusedFiles
    ledger: Ledger
    worker_registry: WorkerRegistry
    job_signals: JobSignals
    checkpoints: JobCheckpoints
    trained_models: TrainedModels
    publisher: Publisher
    task_ends: TaskEnds
    open_listener: Callable[[], Notifications | None]

    @classmethod
    def open(cls, settings: Settings, app: Celery, name: str) -> "WorkerServices":
        """Connect to the services, and bring the tables of the database up to date.

        Args:
            settings: Settings with the addresses.
            app: Sends the messages.
            name: Name of the worker.

        Raises:
            ServiceUnreachable: The database does not answer, or the store cannot be written.
        """
        database = Database(settings.database_url.get_secret_value(), f"worker {name}")
        database.migrate()
        store = ArtifactStore(settings.artifacts_url)
        # A worker that cannot store results must not say that it is ready.
        store.check()
        return cls(
            database=database,
            store=store,
            unused_files=UnusedFiles(database, store),
            ledger=Ledger(database, lease_s=settings.lease_s, is_stored=store.has),
            worker_registry=WorkerRegistry(database),
            job_signals=JobSignals(database),
            checkpoints=JobCheckpoints(database, store.has),
            trained_models=TrainedModels(database),
            publisher=Publisher(app),
            task_ends=TaskEnds(database),
            open_listener=lambda: open_listener(settings, database, CHANNEL, f"listener {name}"),
        )

    def bare_messages(
        self, settings: Settings, catalogue: Catalogue, policies: WorkerPolicies
    ) -> BareMessages:
        """Return what turns the messages of foreign programs into jobs.

        Args:
            settings: Limits of these jobs.
            catalogue: The models that a message may name.
            policies: Refuse what the operator does not allow.
        """
        return BareMessages(
            self.ledger,
            self.store,
            catalogue,
            max_attempts=settings.max_attempts,
            expect=self.trained_models.expect,
            decoder=decoder_of(settings.decoders, trusted_pem(settings.credentials)),
            policies=policies.policies,
            decision_log=policies.log,
        )

    def file_access(
        self, health: ServiceHealth, patience: ServicePatience, held: HeldFiles, limit_s: float
    ) -> FileAccess:
        """Return what attempts share to read and write files; the arguments are those of `FileAccess`."""
        return FileAccess(self.store, self.unused_files, health, patience, held, limit_s)

    def policies(self, settings: Settings) -> WorkerPolicies:
        """Return the policies of the operator.

        Raises:
            InvalidRequest: The file of policies cannot be read.
        """
        return WorkerPolicies(PolicySet.load(settings.policies), DecisionLog(AuditLog(self.database)))

    def task_end_sender(self, settings: Settings, events: TaskEvents) -> TaskEndSender:
        """Return what tells Celery programs of the ends of jobs.

        Args:
            settings: Address of Redis.
            events: Sends the final events, and says when an end was noted.
        """
        sender = TaskEndSender(self.task_ends, JobIndex(self.database), CallbackPublisher(settings), events)
        events.on_noted(sender.wanted.set)
        return sender


def held_files(settings: Settings) -> HeldFiles:
    """Return what holds finished files while the store is away, with the limits of the settings."""
    memory, disk = (round(each * 2**30) for each in (settings.held_memory_gb, settings.held_disk_gb))
    return HeldFiles(memory, disk, cache_dir() / "held")
