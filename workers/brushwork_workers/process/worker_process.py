"""One worker process: creates its parts and connects them."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from brushwork_core.fleet.name_reservation import NameReservation, still_has_name
from brushwork_core.fleet.process_identity import worker_identity
from brushwork_core.fleet.worker_registry import WorkerNameInUse
from brushwork_core.media.decoders.pool import decoder_of
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.environment import cache_dir
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.build_info import BuildInfo
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import BrushworkError, ServiceUnreachable
from brushwork_schemas.worker import WorkerEntry
from celery import Celery
from prometheus_client import CollectorRegistry, ProcessCollector

from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.metrics import BatchMetrics
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.stats import BatchingStats
from brushwork_workers.device.cpu import keep_memory
from brushwork_workers.device.metrics import DeviceMetrics
from brushwork_workers.device.selection import choose_device, default_pixels, device_name, model_budget
from brushwork_workers.dispatch.bare_message import BareMessage
from brushwork_workers.dispatch.bare_messages import AcceptedMessage, BareMessages
from brushwork_workers.dispatch.callback_publisher import CallbackPublisher
from brushwork_workers.dispatch.feeder import Feeder
from brushwork_workers.dispatch.task_end_sender import FIND_MISSED_EVERY_S, SEND_EVERY_S, TaskEndSender
from brushwork_workers.engines.model_engines import ModelEngines
from brushwork_workers.execution.attempt_files import FileAccess, discard
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.executor import Executor
from brushwork_workers.execution.held_files import HeldFiles
from brushwork_workers.execution.metrics import JobMetrics, RunningJobs, ServiceMetrics
from brushwork_workers.execution.retries import RetryPolicy
from brushwork_workers.execution.running_attempts import RunningAttempts
from brushwork_workers.execution.service_health import CHECK_AWAY_EVERY_S, Service, ServiceHealth
from brushwork_workers.execution.service_patience import ServicePatience
from brushwork_workers.execution.task_events import TaskEvents
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import Loader
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.metrics import LoadMetrics, ModelMetrics
from brushwork_workers.model_cache.model_loader import ModelLoader
from brushwork_workers.model_cache.model_manager import ModelManager
from brushwork_workers.model_cache.residency import Residency
from brushwork_workers.models.location import locate
from brushwork_workers.models.trained_files import TrainedFiles
from brushwork_workers.process.emergency_exit import EmergencyExit
from brushwork_workers.process.engine_export import engine_store
from brushwork_workers.process.revocations import REVOKE_EVERY_S, Revocations
from brushwork_workers.process.services import WorkerServices
from brushwork_workers.supervision.consumer_watchdog import ConsumerWatchdog
from brushwork_workers.supervision.heartbeat import Heartbeat
from brushwork_workers.supervision.progress_sync import RECEIVE_EVERY_S, REPORT_EVERY_S, ProgressSync
from brushwork_workers.supervision.reconciler import Reconciler
from brushwork_workers.supervision.recurring_thread import RecurringThread
from brushwork_workers.supervision.thread_metrics import ThreadMetrics
from brushwork_workers.supervision.watchdog import Watchdog

LOGGER = logging.getLogger(__name__)
FEED_EVERY_S = 0.25
WATCH_EVERY_S = 1.0
# A worker without a heartbeat for so many leases is removed from the registry.
FORGET_AFTER_LEASES = 5


class WorkerProcess:
    """A worker process: its models, its leases and its entry in the worker registry.

    Args:
        settings: Addresses and limits.
        kinds: The kinds of job that it serves.
        app: The Celery application; it publishes messages.
        reservation: Its name in the ledger, made from Celery's node name and unique to this process.
        concurrency: How many messages it processes at a time.
        loaders: Loaders to use in place of those that the families name, by family.
    """

    def __init__(
        self,
        settings: Settings,
        kinds: Sequence[str],
        app: Celery,
        reservation: NameReservation,
        *,
        concurrency: int,
        loaders: Mapping[str, Loader],
    ) -> None:
        self.settings = settings
        self.kinds = tuple(kinds)
        self._reservation = reservation
        self.worker = reservation.entry.name
        self._services = WorkerServices.open(settings, app, self.worker.rpartition("/")[0])
        self._held = HeldFiles(
            round(settings.held_memory_gb * 2**30), round(settings.held_disk_gb * 2**30), cache_dir() / "held"
        )
        self.service_health = ServiceHealth(
            {Service.STORE: self._check_store, Service.REDIS: self._check_redis}
        )
        self._patience = ServicePatience(self.service_health, settings.lease_s)
        self._catalogue = Catalogue.load(settings.catalogue)
        self._device = choose_device(settings.device, settings.worker_index)
        if self._device.type == "cpu":
            keep_memory()
        self._is_ready = threading.Event()
        self._registry = CollectorRegistry()
        self._metrics = JobMetrics(self._registry, models=frozenset(model.name for model in self._catalogue))
        self._batching = BatchingStats()
        self._model_executor = self._new_model_executor()
        self._model_manager = self._new_model_manager(loaders, max_waiters=concurrency // 2)
        self._running = RunningAttempts()
        self.task_events = TaskEvents()
        self.revocations = Revocations(self._services.ledger)
        self._task_end_sender = self._new_task_end_sender()
        self._heartbeat = Heartbeat(self._services.ledger, self.worker, self._running)
        self._reporter = self._new_reporter()
        self._emergency_exit = EmergencyExit(
            self.worker, self._services.ledger, self._services.worker_registry, self._heartbeat
        )
        self._bare_messages = self._new_bare_messages()
        self.executor = self._new_executor()
        self.feeder = Feeder(
            self._services.ledger, self._services.publisher, self.kinds, settings.queue_ahead
        )
        self.consumer_watchdog = self._new_consumer_watchdog(concurrency)
        self._watchdog = self._new_watchdog()
        self._reconciler = self._new_reconciler()
        self._threads = self._new_threads()
        # Started later than the others: before it is ready, the worker need not take messages.
        self._consumer_thread = RecurringThread(
            "consumer-watchdog", settings.sweep_s, self.consumer_watchdog.check
        )

    def open(self) -> None:
        """Load and warm up the models, then start the threads."""
        self._model_manager.open(self._models())
        for thread in self._threads:
            thread.start()
        self._reservation.end(leave=False)
        self._reporter.start()

    def announce_ready(self) -> None:
        """Record in the worker registry that this worker consumes messages."""
        self._is_ready.set()
        self._consumer_thread.start()
        self._beat()
        LOGGER.info("Ready: %s serves %s with %s", self.worker, self.kinds, self._model_manager.names)

    def accept(self, message: BareMessage) -> AcceptedMessage:
        """Write the job of a bare message to the ledger, however long the ledger takes within a lease.

        Raises:
            ServiceUnreachable: The ledger or the store did not answer.
        """
        return self._patience.ask(lambda: self._bare_messages.accept_message(message))

    def prepare_to_stop(self) -> None:
        """Expect no more messages and load no more models: the worker was asked to stop."""
        self.consumer_watchdog.stop()
        self._model_manager.stop_loading()

    def release(self) -> int:
        """Give every running job back without charging the attempt, and return their number."""
        number = self._heartbeat.release_all()
        self._metrics.released(number)
        return number

    def close(self) -> None:
        """Stop the threads and leave the worker registry."""
        for thread in [*self._threads, self._consumer_thread]:
            thread.stop()
        self._reporter.stop()
        self._watchdog.close()
        try:
            self._services.worker_registry.leave(self.worker)
        except BrushworkError as error:
            LOGGER.warning("This worker's entry stays in the registry for now: %s", error)
        self._model_manager.close()
        self._model_executor.close()
        self._task_end_sender.close()
        self._services.database.close()

    def _models(self) -> list[Model]:
        chosen = self.settings.models
        names = {name.strip() for name in chosen.split(",")} if chosen else None
        return [
            model
            for model in self._catalogue
            if set(model.kinds) & set(self.kinds) and (names is None or model.name in names)
        ]

    def _new_model_executor(self) -> ModelExecutor:
        rows, pixels = self.settings.max_batch_rows, self.settings.max_batch_pixels
        if rows == 1:
            return SerialExecutor()
        pixels = pixels or default_pixels(self._device)
        num_threads = max(1, torch.get_num_threads() // self.settings.workers_here)
        return Batcher(rows, pixels, self._batching.add, num_threads)

    def _new_model_manager(self, replaced: Mapping[str, Loader], max_waiters: int) -> ModelManager:
        settings = self.settings
        files = TrainedFiles(
            self._services.trained_models, self._services.store, cache_dir() / "trained", locate
        )
        loader = ModelLoader(
            Loaders(replaced),
            self._device,
            self._model_executor,
            self._catalogue.add_ons,
            lambda entry: self._patience.ask(lambda: files.find(entry)),
            ModelEngines(engine_store()),
        )
        return ModelManager(
            loader,
            Residency(self._model_budget, settings.model_stay_s),
            cpu_cache=CpuCache(round(settings.offload_gb * 2**30), self._device),
            metrics=LoadMetrics(self._registry),
            max_waiters=max_waiters,
        )

    @property
    def _model_budget(self) -> int:
        return model_budget(self._device, self.settings.workers_here, self.settings.model_memory_gb)

    def _new_bare_messages(self) -> BareMessages:
        return BareMessages(
            self._services.ledger,
            self._services.store,
            self._catalogue,
            max_attempts=self.settings.max_attempts,
            expect=self._services.trained_models.expect,
            kinds=self.kinds,
            decoder=decoder_of(self.settings.decoders),
        )

    def _new_task_end_sender(self) -> TaskEndSender:
        return TaskEndSender(
            self._services.task_ends,
            JobIndex(self._services.database),
            CallbackPublisher(self.settings),
            self.task_events,
        )

    def _new_executor(self) -> Executor:
        return Executor(
            worker=self.worker,
            ledger=self._services.ledger,
            files=FileAccess(
                self._services.store, self.service_health, self._patience, self._held, self.settings.held_s
            ),
            checkpoints=self._services.checkpoints,
            model_manager=self._model_manager,
            model_executor=self._model_executor,
            running=self._running,
            exclusive_gate=ExclusiveGate(),
            retry_policy=RetryPolicy(self.worker, self._others_serve, self.settings.retry_s),
            on_broken=lambda: self._emergency_exit.device_failed(self._running.attempts()),
            services=self.service_health,
            patience=self._patience,
            metrics=self._metrics,
            events=self.task_events,
            decoder=decoder_of(self.settings.decoders),
        )

    def _new_reporter(self) -> Reporter:
        for collector in (
            RunningJobs(self.kinds, self._running.attempts),
            ServiceMetrics(self.service_health, self._held),
            BatchMetrics(self._batching),
            DeviceMetrics(self._device),
            ModelMetrics(self._model_manager.sizes, self._model_budget),
            BuildInfo("worker"),
            ThreadMetrics(lambda: [*self._threads, self._consumer_thread]),
        ):
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        reports = ProcessReports(self._services.database)
        return Reporter(reports, worker_identity(self.worker.partition("/")[0]), self._registry)

    def _new_consumer_watchdog(self, concurrency: int) -> ConsumerWatchdog:
        return ConsumerWatchdog(
            self.kinds,
            self._services.publisher.num_waiting,
            concurrency=concurrency,
            limit_s=self.settings.deaf_s,
            takes_work=lambda: self.service_health.takes_work,
            on_stuck=self._emergency_exit.consumer_stuck,
        )

    def _new_watchdog(self) -> Watchdog:
        return Watchdog(
            self._running.attempts,
            stall_s=self.settings.stall_s,
            frozen_s=self.settings.frozen_s,
            on_stall=self._emergency_exit.jobs_stalled,
        )

    def _new_reconciler(self) -> Reconciler:
        reconciler = Reconciler(
            self._services.ledger,
            self._services.worker_registry,
            self._services.publisher,
            redispatch_after_s=self.settings.redispatch_after_s,
            lease_s=self.settings.lease_s,
            events=self.task_events,
        )
        # This worker may have started because the database is back; the others have not renewed yet.
        reconciler.postpone_reaping()
        return reconciler

    def _new_threads(self) -> list[RecurringThread]:
        settings = self.settings
        progress_sync = ProgressSync(self._services.job_signals, self.worker, self._running.attempts)
        return [
            RecurringThread("heartbeat", settings.heartbeat_s, self._beat),
            *(
                RecurringThread(f"{service}-check", CHECK_AWAY_EVERY_S, watched.check, wake=watched.wanted)
                for service in (Service.STORE, Service.REDIS)
                for watched in (self.service_health[service],)
            ),
            RecurringThread("job-signals", RECEIVE_EVERY_S, progress_sync.receive),
            RecurringThread("progress-reports", REPORT_EVERY_S, progress_sync.report),
            RecurringThread("reconciler", settings.sweep_s, self._sweep),
            RecurringThread("feeder", FEED_EVERY_S, self.feeder.feed, wake=self.feeder.wanted),
            RecurringThread("watchdog", WATCH_EVERY_S, self._watchdog.check),
            RecurringThread("task-ends", SEND_EVERY_S, self._task_end_sender.send_due),
            RecurringThread("missed-task-ends", FIND_MISSED_EVERY_S, self._task_end_sender.find_missed),
            RecurringThread(
                "revocations", REVOKE_EVERY_S, self.revocations.apply, wake=self.revocations.wanted
            ),
        ]

    def _others_serve(self, kind: str, model: str | None) -> bool:
        return self._services.worker_registry.others_serve(
            kind, but=self.worker, within_s=self.settings.lease_s, model=model
        )

    def _check_store(self, is_away: bool) -> None:
        if is_away:
            self._services.store.check(self._held.largest_bytes)
        else:
            self._services.store.expect_reachable()

    def _check_redis(self, is_away: bool) -> None:
        self._services.publisher.num_waiting(self.kinds[0])

    def _beat(self) -> None:
        database = self.service_health[Service.DATABASE]
        try:
            self._heartbeat.beat(self._watchdog.stalled())
        except ServiceUnreachable as error:
            database.check_failed(error)
            raise
        database.check_answered()
        entry = replace(
            self._reservation.entry,
            kinds=self.kinds,
            models=self._model_manager.names,
            device=device_name(self._device),
            ready=self._is_ready.is_set(),
            batching=self._batching.summary(),
        )
        if not self._services.worker_registry.renew(entry):
            self._enter_again(entry)

    def _enter_again(self, entry: WorkerEntry) -> None:
        """Enter the registry again: it removes a worker that was silent, because it was frozen or cut off."""
        try:
            self._services.worker_registry.reserve(entry, may_live=still_has_name(self.settings.lease))
        except WorkerNameInUse as error:
            self._emergency_exit.name_taken(error)

    def _sweep(self) -> None:
        self._reconciler.sweep()
        self._services.job_signals.sweep()
        if not self.service_health[Service.STORE].is_away:
            discard(self._services.store, self._services.checkpoints.sweep())
        self._services.worker_registry.forget(FORGET_AFTER_LEASES * self.settings.lease_s)
