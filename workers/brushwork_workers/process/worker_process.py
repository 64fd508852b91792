"""One worker process: creates its parts and connects them."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from brushwork_core.fleet.name_reservation import NameReservation, still_has_name
from brushwork_core.fleet.process_identity import worker_identity
from brushwork_core.fleet.worker_registry import WorkerNameInUse
from brushwork_core.ledger import Claim
from brushwork_core.media.decoders.pool import decoder_of
from brushwork_core.policies.decision_log import DecisionMetrics
from brushwork_core.provenance.credentials.metrics import SigningMetrics
from brushwork_core.provenance.credentials.output_signer import OutputSigner
from brushwork_core.provenance.credentials.source import trusted_pem
from brushwork_core.provenance.picture_writer import PictureWriter
from brushwork_core.settings.environment import cache_dir
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.build_info import BuildInfo
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.worker import WorkerEntry
from celery import Celery
from prometheus_client import CollectorRegistry, ProcessCollector

from brushwork_workers.batching.metrics import BatchMetrics, PromptCacheMetrics
from brushwork_workers.batching.prompt_cache import PromptCache
from brushwork_workers.batching.stats import BatchingStats
from brushwork_workers.device.cpu import keep_memory
from brushwork_workers.device.metrics import DeviceMetrics
from brushwork_workers.device.selection import choose_device, device_name, model_budget
from brushwork_workers.dispatch.bare_message import BareMessage
from brushwork_workers.engines.model_engines import ModelEngines
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.executor import Executor
from brushwork_workers.execution.metrics import JobMetrics, RunningJobs, ServiceMetrics
from brushwork_workers.execution.retries import RetryPolicy
from brushwork_workers.execution.running_attempts import Quiet, RunningAttempts
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
from brushwork_workers.process.active_jobs import shown
from brushwork_workers.process.emergency_exit import EmergencyExit
from brushwork_workers.process.engine_export import engine_store
from brushwork_workers.process.fleet_duties import FleetDuties
from brushwork_workers.process.job_threads import JobThreads
from brushwork_workers.process.model_execution import chosen_models, new_job_groups, new_model_executor
from brushwork_workers.process.revocations import Revocations
from brushwork_workers.process.services import WorkerServices, held_files
from brushwork_workers.supervision.consumer_watchdog import ConsumerWatchdog
from brushwork_workers.supervision.heartbeat import Heartbeat
from brushwork_workers.supervision.progress_sync import RECEIVE_EVERY_S, REPORT_EVERY_S, ProgressSync
from brushwork_workers.supervision.recurring_thread import RecurringThread
from brushwork_workers.supervision.thread_metrics import ThreadMetrics
from brushwork_workers.supervision.watchdog import Watchdog
from brushwork_workers.supervision.worker_beat import WorkerBeat

LOGGER = logging.getLogger(__name__)
WATCH_EVERY_S = 1.0


class WorkerProcess:
    """A worker process: its models, its leases and its entry in the worker registry.

    Args:
        settings: Addresses and limits.
        kinds: The kinds of job that it serves.
        app: The Celery application; it publishes messages.
        reservation: Its name in the ledger, made from Celery's node name and unique to this process.
        concurrency: How many jobs it runs at a time.
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
        self._held = held_files(settings)
        self.service_health = ServiceHealth(
            {Service.STORE: self._check_store, Service.REDIS: self._check_redis}
        )
        self._patience = ServicePatience(self.service_health, settings.lease_s)
        self._catalogue = Catalogue.load(settings.catalogue)
        self._policies = self._services.policies(settings)
        self._device = choose_device(settings.device, settings.worker_index)
        if self._device.type == "cpu":
            keep_memory()
        self._is_ready = threading.Event()
        self._registry = CollectorRegistry()
        self._metrics = JobMetrics(self._registry, models=frozenset(model.name for model in self._catalogue))
        self._batching = BatchingStats()
        self._signer = OutputSigner(settings.credentials)
        self._prompt_cache = PromptCache(settings.prompt_cache_mb * 2**20)
        self._model_executor = new_model_executor(
            settings, self._device, self._prompt_cache, self._batching.add
        )
        self._model_manager = self._new_model_manager(loaders, max_waiters=concurrency // 2)
        self._running = RunningAttempts()
        self.task_events = TaskEvents()
        self.revocations = Revocations(self._services.ledger)
        self._task_end_sender = self._services.task_end_sender(settings, self.task_events)
        self._heartbeat = Heartbeat(self._services.ledger, self.worker, self._running)
        self._reporter = self._new_reporter()
        self._emergency_exit = EmergencyExit(
            self.worker, self._services.ledger, self._services.worker_registry, self._heartbeat
        )
        self._bare_messages = self._services.bare_messages(settings, self._catalogue, self._policies)
        self._exclusive_gate = ExclusiveGate()
        self._executor = self._new_executor()
        job_threads = self._new_job_threads(concurrency)
        self._claimer, self.jobs = job_threads.claimer, job_threads.pool
        self.consumer_watchdog = self._new_consumer_watchdog()
        self._watchdog = self._new_watchdog()
        self.fleet_duties = self._new_fleet_duties()
        self._beat = self._new_beat()
        self._threads = self._new_threads()
        # Started later than the others: before it is ready, the worker need not take messages.
        check = self.consumer_watchdog.check
        self._consumer_thread = RecurringThread("consumer-watchdog", settings.sweep_s, check)

    def open(self) -> None:
        """Load and warm up the models, then start the threads."""
        models = chosen_models(self._catalogue, self.settings.models, self.kinds, self._policies.models)
        self._model_manager.open(models)
        for thread in self._threads:
            thread.start()
        self._reservation.end(leave=False)
        self._reporter.start()

    def announce_ready(self) -> None:
        """Record in the worker registry that this worker consumes messages."""
        self._is_ready.set()
        self.jobs.start()
        self._consumer_thread.start()
        self._beat.beat()
        self._policies.report_missing(self._model_manager.names)
        LOGGER.info("Ready: %s serves %s with %s", self.worker, self.kinds, self._model_manager.names)

    def accept(self, message: BareMessage) -> None:
        """Write the job of a bare message to the ledger, however long the ledger takes within a lease.

        Raises:
            ServiceUnreachable: The ledger or the store did not answer.
        """
        self._patience.ask(lambda: self._bare_messages.accept_message(message))

    @property
    def takes_messages(self) -> bool:
        """Whether a job could begin now. Asked in every round of the event loop."""
        return self.service_health.takes_work and self.jobs.has_room

    def message_taken(self, job_id: str | None) -> None:
        """Look for jobs, because a message says that there are some.

        Args:
            job_id: The job whose message it is, if an older program has sent it.
        """
        self.consumer_watchdog.message_taken()
        if job_id is not None:
            self._claimer.note_sent(job_id)
        self.jobs.wake()

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` when `takes_messages` may have become true."""

        def changed() -> None:
            callback()
            self.jobs.wake()

        self.jobs.on_room = callback
        self.service_health.on_change(changed)

    def prepare_to_stop(self) -> None:
        """Claim no more jobs and load no more models: the worker was asked to stop."""
        self.consumer_watchdog.stop()
        self.jobs.stop()
        self._model_manager.stop_loading()

    def release(self) -> int:
        """Give every running job back without charging the attempt, and return their number."""
        number = self._heartbeat.release_all()
        self._metrics.released(number)
        if number:
            self.fleet_duties.wake_others()
        return number

    def close(self) -> None:
        """Wait until all jobs have ended, stop the threads, and leave the worker registry."""
        self.jobs.stop()
        self.jobs.join()
        for thread in [*self._threads, self._consumer_thread]:
            thread.stop()
        self._reporter.stop()
        self._watchdog.close()
        try:
            self.fleet_duties.close()
            self._services.worker_registry.leave(self.worker)
        except BrushworkError as error:
            LOGGER.warning("This worker's entry stays in the registry for now: %s", error)
        self._model_manager.close()
        self._model_executor.close()
        self._task_end_sender.close()
        self._services.database.close()

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

    def _new_executor(self) -> Executor:
        return Executor(
            worker=self.worker,
            ledger=self._services.ledger,
            files=self._services.file_access(
                self.service_health, self._patience, self._held, self.settings.held_s
            ),
            checkpoints=self._services.checkpoints,
            model_manager=self._model_manager,
            model_executor=self._model_executor,
            running=self._running,
            exclusive_gate=self._exclusive_gate,
            retry_policy=RetryPolicy(self.worker, self._others_serve, self.settings.retry_s),
            on_broken=lambda: self._emergency_exit.device_failed(self._running.attempts()),
            services=self.service_health,
            patience=self._patience,
            metrics=self._metrics,
            events=self.task_events,
            groups=new_job_groups(self.settings, self._device, self._model_manager.loaded),
            decoder=decoder_of(self.settings.decoders, trusted_pem(self.settings.credentials)),
            picture_writer=PictureWriter(self.settings.marks, self._signer),
            policies=self._policies,
        )

    def _new_reporter(self) -> Reporter:
        for collector in (
            RunningJobs(self.kinds, self._running.attempts),
            ServiceMetrics(self.service_health, self._held),
            BatchMetrics(self._batching),
            PromptCacheMetrics(self._prompt_cache),
            DeviceMetrics(self._device),
            ModelMetrics(self._model_manager.sizes, self._model_budget),
            BuildInfo("worker"),
            SigningMetrics(self._signer),
            DecisionMetrics(self._policies.log),
            ThreadMetrics(lambda: [*self._threads, self._consumer_thread]),
        ):
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        reports = ProcessReports(self._services.database)
        identity = worker_identity(self.worker.partition("/")[0])
        return Reporter(reports, identity, self._registry, is_quiet=Quiet(self._running).is_quiet)

    def _new_job_threads(self, concurrency: int) -> JobThreads:
        return JobThreads(
            self._services,
            self.worker,
            self.kinds,
            concurrency=concurrency,
            divided=self._executor.groups.divided,
            run=self._run,
            health=self.service_health,
            patience=self._patience,
            gate=self._exclusive_gate,
            metrics=self._metrics,
            lease_s=self.settings.lease_s,
            wake_others=lambda: self.fleet_duties.wake_others(),
        )

    def _new_consumer_watchdog(self) -> ConsumerWatchdog:
        return ConsumerWatchdog(
            self.kinds,
            self._services.publisher.num_waiting,
            limit_s=self.settings.deaf_s,
            takes_work=lambda: self.takes_messages,
            on_stuck=self._emergency_exit.consumer_stuck,
        )

    def _new_watchdog(self) -> Watchdog:
        return Watchdog(
            self._running.attempts,
            stall_s=self.settings.stall_s,
            frozen_s=self.settings.frozen_s,
            on_stall=self._emergency_exit.jobs_stalled,
        )

    def _new_fleet_duties(self) -> FleetDuties:
        return FleetDuties(
            self.settings,
            self._services,
            self.worker,
            self.kinds,
            task_end_sender=self._task_end_sender,
            task_events=self.task_events,
            service_health=self.service_health,
            has_room=lambda: self.takes_messages,
            wake=self.jobs.wake,
        )

    def _new_beat(self) -> WorkerBeat:
        return self.fleet_duties.beat(
            self._heartbeat,
            self._entry,
            is_running=lambda: bool(self._running.attempts()),
            stalled=self._watchdog.stalled,
            on_removed=self._enter_again,
        )

    def _new_threads(self) -> list[RecurringThread]:
        progress_sync = ProgressSync(self._services.job_signals, self.worker, self._running.attempts)
        return [
            RecurringThread("heartbeat", self._beat.tick_s, self._beat.beat_if_due),
            *(
                RecurringThread(f"{service}-check", CHECK_AWAY_EVERY_S, watched.check, wake=watched.wanted)
                for service in (Service.STORE, Service.REDIS)
                for watched in (self.service_health[service],)
            ),
            RecurringThread("job-signals", RECEIVE_EVERY_S, progress_sync.receive),
            RecurringThread("progress-reports", REPORT_EVERY_S, progress_sync.report),
            RecurringThread("watchdog", WATCH_EVERY_S, self._watchdog.check),
            *self.fleet_duties.threads(),
            self.revocations.thread(),
        ]

    def _run(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        with shown(claims, self.worker.partition("/")[0], self.fleet_duties.backlog_watch.job_ended):
            return self._executor.run_together(claims)

    def _others_serve(self, kind: str, model: str | None) -> bool:
        return self._services.worker_registry.others_serve(
            kind, but=self.worker, within_s=self.settings.lease_s, model=model
        )

    def _check_store(self, is_away: bool) -> None:
        store = self._services.store
        store.check(self._held.largest_bytes) if is_away else store.expect_reachable()

    def _check_redis(self, is_away: bool) -> None:
        self._services.publisher.num_waiting(self.kinds[0])

    def _entry(self) -> WorkerEntry:
        return replace(
            self._reservation.entry,
            kinds=self.kinds,
            models=self._model_manager.names,
            device=device_name(self._device),
            ready=self._is_ready.is_set(),
            batching=self._batching.summary(),
        )

    def _enter_again(self, entry: WorkerEntry) -> None:
        """Enter the registry again: it removes a worker that was silent, because it was frozen or cut off."""
        try:
            self._services.worker_registry.reserve(entry, may_live=still_has_name(self.settings.lease))
        except WorkerNameInUse as error:
            self._emergency_exit.name_taken(error)
