"""A worker process in the registry of workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class WorkerEntry:
    """A worker process.

    Args:
        name: Name, unique for each start: a restarted worker is a new entry.
        kinds: Kinds that it serves.
        models: Models that it serves.
        device: Its device, such as `cuda:0`.
        ready: Whether it takes jobs.
        batching: Statistics of batches by module since its start: runs, mean_calls, mean_rows, occupancy,
            mean_wait_s, longest_wait_s, busy_s, ran_because, passed_over.
        host: Machine and process id namespace.
        pid: Process id.
        pid_started_at: Start time of the process, by the clock of its machine.
    """

    name: str
    kinds: tuple[str, ...]
    models: tuple[str, ...]
    device: str
    ready: bool = False
    batching: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    pid: int = 0
    pid_started_at: float = 0.0


@dataclass(frozen=True)
class SeenWorker(WorkerEntry):
    """A worker in the registry.

    Args:
        silent_s: Seconds since its last heartbeat.
        beat_s: Seconds between its heartbeats, as it announced with the last one; None if it did not.
    """

    silent_s: float = 0.0
    beat_s: float | None = None
