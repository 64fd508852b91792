"""Everything of one worker process, put together once."""

import logging
import os
import secrets
import threading
from collections.abc import Sequence

import torch
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.trained_models import TrainedModels
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.process_liveness import here, started_at
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.queue.broker import Publisher
from brushwork_core.settings.environment import models_dir
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.worker import WorkerEntry
from celery import Celery

from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.metrics import BatchMetrics
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.stats import BatchingStats
from brushwork_workers.device.cpu import keep_memory
from brushwork_workers.device.metrics import DeviceMetrics
from brushwork_workers.device.selection import choose_device, default_pixels, device_name, model_budget
from brushwork_workers.dispatch.bare_messages import BareMessages
from brushwork_workers.dispatch.feeder import Feeder
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.executor import Executor
from brushwork_workers.execution.job_context import discard
from brushwork_workers.execution.metrics import Metrics, RunningJobs
from brushwork_workers.execution.retries import Retries
from brushwork_workers.families.loaders import LOADERS
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.metrics import ModelMetrics
from brushwork_workers.model_cache.model_loader import ModelLoader
from brushwork_workers.model_cache.model_manager import ModelManager
from brushwork_workers.model_cache.residency import Residency
from brushwork_workers.models.location import locate
from brushwork_workers.models.trained_files import TrainedFiles
from brushwork_workers.process.emergency_exit import EmergencyExit
from brushwork_workers.supervision.consumer_watchdog import ConsumerWatchdog
from brushwork_workers.supervision.heartbeat import Heartbeat, RecurringThread
from brushwork_workers.supervision.progress_sync import LISTEN_EVERY_S, SPEAK_EVERY_S, ProgressSync
from brushwork_workers.supervision.reconciler import Reconciler
from brushwork_workers.supervision.watchdog import Watchdog

LOGGER = logging.getLogger(__name__)
FEED_EVERY_S = 0.25
WATCH_EVERY_S = 1.0
# A worker that was not heard of for so many leases is struck off the roster.
FORGET_AFTER_LEASES = 5


class WorkerProcess:
    """A worker process: its models, its leases, its place on the roster.

    Args:
        settings: Addresses and bounds.
        kinds: Which kinds it serves.
        app: The Celery application, for publishing again what was lost.
        name: What people call it; the process gets a name of its own from it.
        concurrency: How many messages it works on at once.
    """

    def __init__(
        self, settings: Settings, kinds: Sequence[str], app: Celery, name: str, concurrency: int = 16
    ) -> None:
        self.settings = settings
        self.kinds = tuple(kinds)
        self.worker = f"{name}/{os.getpid()}-{secrets.token_hex(4)}"
        self._began = started_at(os.getpid()) or 0.0
        self._database = Database(settings.database_url.get_secret_value())
        self._database.migrate()
        self._catalogue = Catalogue.load(settings.catalogue)
        self._device = choose_device(settings.device, settings.worker_index)
        if self._device.type == "cpu":
            keep_memory()
        self._ready = threading.Event()
        self._store = ArtifactStore(settings.artifacts_url)
        self._ledger = Ledger(self._database, lease_s=settings.lease_s)
        self._worker_registry = WorkerRegistry(self._database)
        self._job_signals = JobSignals(self._database)
        self._checkpoints = JobCheckpoints(self._database)
        self._trained = TrainedModels(self._database)
        self._publisher = Publisher(app)
        self._batching = BatchingStats()
        self._model_executor = self._gathering()
        self.metrics = Metrics()
        self._model_manager = self._new_shelf(concurrency)
        self._heartbeat = Heartbeat(self._ledger, self.worker)
        self._reporter = self._reporting()
        self._emergency_exit = EmergencyExit(
            self.worker, self._ledger, self._worker_registry, self._heartbeat
        )
        self.bare_messages = self._bare_messages()
        self.executor = self._executor()
        self.feeder = Feeder(self._ledger, self._publisher, self.kinds, settings.queue_ahead)
        self.consumer_watchdog = self._consumer_watchdog(concurrency)
        self._watchdog = self._watching()
        self._threads = self._recurring()
        # Once it is to take messages; before, it need not.
        self._listening = RecurringThread("hearing", settings.sweep_s, self.consumer_watchdog.look)

    def open(self) -> None:
        """Load and warm up the models, then begin the heartbeat."""
        self._model_manager.open(self._models())
        for thread in self._threads:
            thread.start()
        self._reporter.start()

    def take_work(self) -> None:
        """Say on the roster that this worker consumes now."""
        self._ready.set()
        self._listening.start()
        self._beat()
        LOGGER.info("Ready: %s serves %s with %s", self.worker, self.kinds, self._model_manager.names)

    def rest(self) -> None:
        """Take no more messages and load no more models: a stop was asked for."""
        self.consumer_watchdog.rest()
        self._model_manager.rest()

    def release(self) -> int:
        """Give every running job back, uncharged; how many."""
        number = self._heartbeat.release_all()
        self.metrics.released(number)
        return number

    def close(self) -> None:
        """End the heartbeat and leave the roster."""
        for thread in [*self._threads, self._listening]:
            thread.stop()
        self._reporter.stop()
        self._watchdog.close()
        try:
            self._worker_registry.leave(self.worker)
        except BrushworkError as error:
            LOGGER.warning("Could not leave the roster: %s", error)
        self._model_manager.close()
        self._model_executor.close()
        self._database.close()

    def _models(self) -> list[Model]:
        chosen = self.settings.models
        wanted = {name.strip() for name in chosen.split(",")} if chosen else None
        return [
            model
            for model in self._catalogue
            if set(model.kinds) & set(self.kinds) and (wanted is None or model.name in wanted)
        ]

    def _gathering(self) -> ModelExecutor:
        rows, pixels = self.settings.max_batch_rows, self.settings.max_batch_pixels
        if rows == 1:
            return SerialExecutor()
        pixels = pixels or default_pixels(self._device)
        num_threads = max(1, torch.get_num_threads() // self.settings.workers_here)
        return Batcher(rows, pixels, self._batching.add, num_threads)

    def _new_shelf(self, concurrency: int) -> ModelManager:
        settings = self.settings
        budget = model_budget(self._device, settings.workers_here, settings.model_memory_gb)
        files = TrainedFiles(self._trained, self._store, models_dir() / "trained", locate)
        return ModelManager(
            ModelLoader(LOADERS, self._device, self._model_executor, self._catalogue.add_ons, files.find),
            Residency(budget, settings.model_stay_s),
            max_waiters=concurrency // 2,
            cpu_cache=CpuCache(round(settings.offload_gb * 2**30), self._device),
            metrics=self.metrics,
        )

    def _bare_messages(self) -> BareMessages:
        return BareMessages(
            self._ledger,
            self._store,
            self._catalogue,
            max_attempts=self.settings.max_attempts,
            expect=self._trained.expect,
        )

    def _executor(self) -> Executor:
        return Executor(
            worker=self.worker,
            ledger=self._ledger,
            store=self._store,
            model_manager=self._model_manager,
            heartbeat=self._heartbeat,
            model_executor=self._model_executor,
            exclusive_gate=ExclusiveGate(),
            on_broken=self._emergency_exit.broken,
            retries=Retries(self.worker, self._others_serve, self.settings.retry_s),
            lease_s=self.settings.lease_s,
            metrics=self.metrics,
            checkpoints=self._checkpoints,
        )

    def _reporting(self) -> Reporter:
        self.metrics.watch(
            RunningJobs(self.kinds, self._heartbeat.attempts),
            BatchMetrics(self._batching),
            DeviceMetrics(self._device),
            ModelMetrics(self._model_manager),
        )
        return Reporter(ProcessReports(self._database), self.worker, "worker", self.metrics.registry)

    def _consumer_watchdog(self, concurrency: int) -> ConsumerWatchdog:
        return ConsumerWatchdog(
            self.kinds,
            self._publisher.num_waiting,
            concurrency=concurrency,
            deaf_s=self.settings.deaf_s,
            on_deaf=self._emergency_exit.deaf,
        )

    def _watching(self) -> Watchdog:
        return Watchdog(
            self._heartbeat.attempts,
            stall_s=self.settings.stall_s,
            frozen_s=self.settings.frozen_s,
            on_stall=self._emergency_exit.stalled,
        )

    def _recurring(self) -> list[RecurringThread]:
        settings = self.settings
        progress_sync = ProgressSync(self._job_signals, self.worker, self._heartbeat.attempts)
        self._reconciler = Reconciler(
            self._ledger,
            self._worker_registry,
            self._publisher,
            redispatch_after_s=settings.redispatch_after_s,
            lease_s=settings.lease_s,
        )
        return [
            RecurringThread("pulse", settings.heartbeat_s, self._beat),
            RecurringThread("listening", LISTEN_EVERY_S, progress_sync.listen),
            RecurringThread("speaking", SPEAK_EVERY_S, progress_sync.speak),
            RecurringThread("reconciler", settings.sweep_s, self._sweep),
            RecurringThread("feeder", FEED_EVERY_S, self.feeder.feed, wakes=self.feeder.wanted),
            RecurringThread("watchdog", WATCH_EVERY_S, self._watchdog.look),
        ]

    def _others_serve(self, kind: str) -> bool:
        return self._worker_registry.others_serve(kind, but=self.worker, within_s=self.settings.lease_s)

    def _beat(self) -> None:
        self._heartbeat.beat(self._watchdog.stalled())
        self._worker_registry.announce(
            WorkerEntry(
                name=self.worker,
                kinds=self.kinds,
                models=self._model_manager.names,
                device=device_name(self._device),
                ready=self._ready.is_set(),
                batching=self._batching.summary(),
                host=here(),
                pid=os.getpid(),
                pid_started_at=self._began,
            )
        )

    def _sweep(self) -> None:
        self._reconciler.sweep()
        self._job_signals.sweep()
        discard(self._store, self._checkpoints.sweep())
        self._worker_registry.forget(FORGET_AFTER_LEASES * self.settings.lease_s)
