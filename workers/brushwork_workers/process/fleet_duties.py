"""What a worker does for all workers of the ledger: it beats, leads or follows, and finds waiting work."""

import logging
from collections.abc import Callable, Collection, Sequence

from brushwork_core.database.notifications import Topic
from brushwork_core.fleet.maintenance_lease import MaintenanceLease, lease_name
from brushwork_core.ledger import Reaped
from brushwork_core.queries.due_maintenance import MaintenanceQuery
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.worker import WorkerEntry

from brushwork_workers.dispatch.task_end_sender import FIND_MISSED_EVERY_S, SEND_EVERY_S, TaskEndSender
from brushwork_workers.dispatch.wake_up_sender import WakeUpSender
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.service_health import Service, ServiceHealth
from brushwork_workers.execution.task_events import TaskEvents
from brushwork_workers.process.services import WorkerServices
from brushwork_workers.supervision.backlog_watch import LOOK_EVERY_S, BacklogWatch
from brushwork_workers.supervision.heartbeat import Heartbeat
from brushwork_workers.supervision.maintenance import Maintenance
from brushwork_workers.supervision.neighbours import Neighbours
from brushwork_workers.supervision.notification_thread import NotificationThread
from brushwork_workers.supervision.reconciler import Reconciler
from brushwork_workers.supervision.recurring_thread import RecurringThread
from brushwork_workers.supervision.worker_beat import WorkerBeat

LOGGER = logging.getLogger(__name__)
# A worker without a heartbeat for so many leases is removed from the registry.
FORGET_AFTER_LEASES = 5
# The maintenance lease is half as long as that of a job. So another leader is found before the leases of the
# jobs of a lost host expire, and they are taken back as soon as if the leader had not been on that host.
LEASE_SHARE = 0.5


class FleetDuties:
    """Creates the parts and connects them.

    Args:
        settings: Addresses and limits.
        services: The database, the store and the queue.
        worker: Name of this process in the ledger.
        kinds: The kinds that it serves.
        task_end_sender: Sends the ends of jobs to Celery programs.
        task_events: Tells Celery's monitors of jobs.
        service_health: Knows which services are away.
        has_room: Returns whether this worker could begin another job.
        wake: Makes this worker claim jobs.
    """

    def __init__(
        self,
        settings: Settings,
        services: WorkerServices,
        worker: str,
        kinds: Sequence[str],
        *,
        task_end_sender: TaskEndSender,
        task_events: TaskEvents,
        service_health: ServiceHealth,
        has_room: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._services = services
        self._service_health = service_health
        self._task_end_sender = task_end_sender
        self._task_events = task_events
        self._lease = MaintenanceLease(
            services.database, lease_name(all_kinds()), worker, lease_s=LEASE_SHARE * settings.lease_s
        )
        self.maintenance = self._new_maintenance()
        self._kinds = tuple(kinds)
        self._wake_ups = WakeUpSender(services.ledger, services.publisher, settings.queue_ahead)
        self.backlog_watch = BacklogWatch(
            services.ledger,
            worker,
            kinds,
            list(all_kinds()),
            leads=self._leads,
            is_notified=lambda: self._notifications.is_notified,
            has_room=has_room,
            has_messages=lambda: not service_health[Service.REDIS].is_away,
            wake_self=wake,
            wake_others=self._wake_ups.send,
        )
        events = {
            Topic.BACKLOG.value: self.backlog_watch.wanted,
            Topic.ENDS.value: task_end_sender.wanted,
        }
        self._notifications = NotificationThread(services.open_listener, self._leads, events)

    def beat(
        self,
        heartbeat: Heartbeat,
        entry: Callable[[], WorkerEntry],
        *,
        is_running: Callable[[], bool],
        stalled: Callable[[], Collection[Attempt]],
        on_removed: Callable[[WorkerEntry], None],
    ) -> WorkerBeat:
        """Return the heartbeat of this worker; arguments as for `WorkerBeat`."""
        return WorkerBeat(
            heartbeat,
            self._services.worker_registry,
            entry,
            self._settings.lease,
            lease=self._lease.name,
            is_running=is_running,
            stalled=stalled,
            database=self._service_health[Service.DATABASE],
            on_reply=self.maintenance.learn,
            on_answer=self.maintenance.answered_after,
            on_removed=on_removed,
        )

    def threads(self) -> list[RecurringThread]:
        """Return the threads of these duties."""
        watch, sender, maintenance = self.backlog_watch, self._task_end_sender, self.maintenance
        return [
            RecurringThread("reconciler", self._settings.sweep_s, maintenance.sweep, wake=maintenance.wanted),
            RecurringThread("backlog", LOOK_EVERY_S, watch.look, wake=watch.wanted),
            RecurringThread("task-ends", SEND_EVERY_S, self._send_ends, wake=sender.wanted),
            RecurringThread("missed-task-ends", FIND_MISSED_EVERY_S, self._find_missed_ends),
            RecurringThread("notifications", LOOK_EVERY_S, self._notifications.hear),
        ]

    def wake_others(self) -> None:
        """Wake other workers for jobs that this one has just given back: it stops, and they may be idle."""
        try:
            self._wake_ups.send(self._kinds)
        except BrushworkError as error:
            LOGGER.warning("The leader wakes the other workers a little later: %s", error)

    def close(self) -> None:
        """Let another worker lead.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        self._notifications.close()
        self.maintenance.stop()

    def _leads(self) -> bool:
        return self._lease.is_held

    def _new_maintenance(self) -> Maintenance:
        settings, services = self._settings, self._services
        forget_after_s = FORGET_AFTER_LEASES * settings.lease_s
        reconciler = Reconciler(
            services.ledger,
            services.worker_registry,
            redispatch_after_s=settings.redispatch_after_s,
            lease_s=settings.lease_s,
            events=self._task_events,
            on_reaped=self._reaped,
        )
        # This worker may have started because the database is back; the others have not renewed yet.
        reconciler.postpone_reaping()
        return Maintenance(
            self._lease,
            MaintenanceQuery(services.database, forget_after_s=forget_after_s),
            reconciler,
            Neighbours(services.worker_registry),
            services.job_signals,
            services.worker_registry,
            self._sweep_checkpoints,
            lease_s=settings.lease_s,
            forget_after_s=forget_after_s,
        )

    def _reaped(self, reaped: Reaped) -> None:
        """Have the jobs that were taken back run again, and the ends sent, at once."""
        if reaped.queued:
            self.backlog_watch.wanted.set()
        if reaped.failed or reaped.canceled or reaped.expired:
            self._task_end_sender.wanted.set()

    def _sweep_checkpoints(self) -> None:
        if not self._service_health[Service.STORE].is_away:
            self._services.unused_files.remove(self._services.checkpoints.sweep())

    def _send_ends(self) -> None:
        if self._task_end_sender.is_due(self._leads(), self._notifications.is_notified):
            self._task_end_sender.send_due()

    def _find_missed_ends(self) -> None:
        if self._leads():
            self._task_end_sender.find_missed()
