"""A worker's parts around a performer that does as the test says, on a real ledger."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from brushwork_core.audit.audit_log import AuditLog
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.ledger import Claim, ClaimOrder, Ledger
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.policies.decision_log import DecisionLog
from brushwork_core.policies.policy_set import PolicySet
from brushwork_core.provenance.picture_writer import PictureWriter
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.worker_load import WorkerLoads
from brushwork_schemas.catalogue import AddOn, Catalogue, Model, Source
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.dispatch.bare_messages import BareMessages
from brushwork_workers.dispatch.even_load import EvenLoad
from brushwork_workers.dispatch.job_claimer import JobClaimer
from brushwork_workers.dispatch.job_pool import JobPool
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.attempt_files import AttemptFiles, FileAccess
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.executor import Executor
from brushwork_workers.execution.held_files import HeldFiles
from brushwork_workers.execution.job_context import AttemptContext
from brushwork_workers.execution.metrics import JobMetrics
from brushwork_workers.execution.policies.worker_policies import WorkerPolicies
from brushwork_workers.execution.retries import RetryPolicy
from brushwork_workers.execution.running_attempts import RunningAttempts
from brushwork_workers.execution.service_health import Service, ServiceHealth
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.metrics import LoadMetrics
from brushwork_workers.model_cache.model_loader import ModelLoader
from brushwork_workers.model_cache.model_manager import ModelManager
from brushwork_workers.model_cache.residency import Residency
from brushwork_workers.models.location import locate
from brushwork_workers.supervision.heartbeat import Heartbeat
from brushwork_workers.supervision.progress_sync import ProgressSync
from PIL import Image
from prometheus_client import CollectorRegistry
from sqlalchemy import update
from torch import nn

from tests.jobs import column

WORKER = "tester/1"
CPU = torch.device("cpu")
STUB_BYTES, BUDGET_BYTES = 1000, 2**20
# What a job does in place of a model; and from that to a worker's parts around it.
Act = Callable[[Any, JobContext], None]
Make = Callable[[Act], "TestStation"]


def nothing(request: Any, context: JobContext) -> None:
    """A job that leaves all to the performer."""


def raising(error: BaseException) -> Act:
    """A job that ends so."""

    def act(request: Any, context: JobContext) -> None:
        raise error

    return act


def context_of(attempt: Attempt, store: ArtifactStore, database: Database, **options: Any) -> AttemptContext:
    """The context of an attempt, in a worker whose services are all there."""
    health = ServiceHealth()
    patience = ServicePatience(health, 0.5)
    unused, held = UnusedFiles(database, store), HeldFiles(2**20, 0, Path("nowhere"))
    access = FileAccess(store, unused, health, patience, held, limit_s=30.0)
    files = AttemptFiles(attempt, access)
    return AttemptContext(attempt, files, JobCheckpoints(database), patience, **options)


class Obedient:
    """A performer that calls what the test gave it; by default it makes one grey picture."""

    def __init__(self, act: Act) -> None:
        self._act = act

    def warm_up(self) -> None:
        return

    def perform(self, request: Any, context: JobContext) -> dict[str, Any]:
        self._act(request, context)
        picture = context.save_picture(Image.new("RGB", (request.width, request.height), "gray"))
        return {"images": (picture,), "seed": request.seed, "seeds": (request.seed,)}


class TestStation:
    """Executor, adoption, pulse and intercom of one worker; `act` is run inside each job."""

    __test__ = False

    def __init__(
        self,
        database: Database,
        folder: Path,
        act: Act,
        model_executor: ModelExecutor | None = None,
        policies: PolicySet | None = None,
        picture_writer: PictureWriter | None = None,
    ) -> None:
        self._database = database
        self.ledger = Ledger(database, lease_s=30)
        self.index = JobIndex(database)
        self.store = ArtifactStore("memory:///")
        self.running = RunningAttempts()
        self.heartbeat = Heartbeat(self.ledger, WORKER, self.running)
        self.progress_sync = ProgressSync(JobSignals(database), WORKER, self.running.attempts)
        entries = (
            _stub(folder),
            _stub(folder / "nowhere", "absent"),
            _stub(folder, "large", memory_bytes=BUDGET_BYTES),
        )
        self.catalogue = Catalogue({entry.name: entry for entry in entries})
        self.registry = CollectorRegistry()
        self.model_executor = model_executor or SerialExecutor()
        loaders = {"stable-diffusion": self._load(act)}
        loader = ModelLoader(loaders, CPU, self.model_executor, find=_find)
        self.model_manager = ModelManager(
            loader,
            Residency(BUDGET_BYTES, stay_s=0.0),
            cpu_cache=CpuCache(0, CPU),
            metrics=LoadMetrics(self.registry),
            max_waiters=1,
        )
        self.model_manager.open(self.catalogue)
        self.policies = WorkerPolicies(policies or PolicySet(), DecisionLog(AuditLog(database)))
        self.bare_messages = BareMessages(
            self.ledger,
            self.store,
            self.catalogue,
            max_attempts=3,
            policies=self.policies.policies,
            decision_log=self.policies.log,
        )
        self.exclusive_gate = ExclusiveGate()
        self.num_broken = 0
        self.health = ServiceHealth({Service.STORE: lambda is_away: self.store.check()})
        self.held = HeldFiles(2**20, 2**20, folder / "held")
        self._patience = ServicePatience(self.health, 0.5)
        self._metrics = JobMetrics(self.registry, models={entry.name for entry in entries})
        self.files = FileAccess(
            self.store,
            UnusedFiles(database, self.store),
            self.health,
            self._patience,
            self.held,
            limit_s=30.0,
        )
        self.executor = Executor(
            worker=WORKER,
            ledger=self.ledger,
            files=self.files,
            model_manager=self.model_manager,
            model_executor=self.model_executor,
            running=self.running,
            exclusive_gate=self.exclusive_gate,
            retry_policy=RetryPolicy(WORKER, others_serve=lambda kind, model: False, first_pause_s=0.0),
            on_broken=self._break,
            services=self.health,
            patience=self._patience,
            metrics=self._metrics,
            checkpoints=JobCheckpoints(database),
            policies=self.policies,
            picture_writer=picture_writer,
        )

    def adopted(self, job_id: str = "job-1", **parameters: Any) -> str:
        return self.bare_messages.accept(job_id, "text-to-image", (), {"prompt": "x", **parameters})

    def claimed(self, job_id: str) -> Claim | None:
        """Claim this job, whosever turn it is, as a worker claims those that are next."""
        try:
            claim = self._patience.ask(lambda: self.ledger.claim(job_id, WORKER))
        except ServiceUnreachable:
            return None
        if claim is None:
            self._metrics.dropped()
            return None
        self.exclusive_gate.admit(not claim.alone, claim.alone)
        self._metrics.claimed(claim)
        return claim

    @contextmanager
    def pool(self, size: int = 2, *, may_claim: Callable[[], bool] = lambda: True) -> Iterator[JobPool]:
        """The threads that claim and run what is next, as `WorkerProcess` connects them."""
        claimer = JobClaimer(
            self.ledger,
            ClaimOrder(["text-to-image"]),
            WORKER,
            patience=self._patience,
            gate=self.exclusive_gate,
            metrics=self._metrics,
            even_load=EvenLoad(
                WorkerLoads(self._database),
                WORKER,
                ["text-to-image"],
                num_others=lambda: 0,
                wake_others=lambda: None,
            ),
        )

        def may_begin() -> bool:
            return may_claim() and not self.exclusive_gate.is_closed

        jobs = JobPool(size, claimer.claim, self.executor.run_together, may_claim=may_begin)
        jobs.start()
        try:
            yield jobs
        finally:
            jobs.stop()
            jobs.join()

    def execute(self, job_id: str) -> Outcome | None:
        """Claim this job and run one attempt of it; None if it cannot be claimed."""
        claim = self.claimed(job_id)
        return None if claim is None else self.executor.run(claim)

    def job(self, job_id: str = "job-1") -> Job:
        return self.index.get(job_id)

    def column(self, job_id: str, name: str) -> object:
        return column(self._database, job_id, name)

    def suspect(self, job_id: str) -> None:
        """As if its worker had died while several jobs ran: it is to run alone."""
        with self._database.writing() as connection:
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(suspicion="dead/1"))

    def _break(self) -> None:
        """As a station, but this process stays."""
        self.num_broken += 1
        self.ledger.reap([WORKER])

    def claimed_together(self, *job_ids: str) -> list[Claim]:
        """Claim these jobs, as one look of the worker's threads would."""
        return [claim for job_id in job_ids if (claim := self.claimed(job_id)) is not None]

    @staticmethod
    def _load(act: Act) -> Callable[[LoadSpec], LoadedModules]:
        return lambda place: LoadedModules({"text-to-image": Obedient(act)}, [_weights()])


def _weights() -> nn.Module:
    module = nn.Module()
    module.register_buffer("weights", torch.zeros(STUB_BYTES, dtype=torch.uint8))
    return module


def _stub(folder: Path, name: str = "stub", memory_bytes: int = STUB_BYTES) -> Model:
    defaults = {"width": 16, "height": 16, "num_inference_steps": 2, "guidance_scale": 1.0}
    return Model(
        name=name,
        family="stable-diffusion",
        source=Source(folder=folder),
        defaults=defaults,
        memory_bytes=memory_bytes,
    )


def _find(entry: Model | AddOn) -> Path:
    """Its folder, though there is nothing in it."""
    folder = entry.source.folder
    assert folder is not None
    return folder if folder.is_dir() else locate(entry)
