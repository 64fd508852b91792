"""A worker process as the registry lists it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class WorkerEntry:
    """One worker process. `name` is unique to its life, so a restarted one is another entry.

    `batching` holds, by module, how the calls of its jobs were gathered since it began: runs, mean_calls,
    mean_rows, occupancy, mean_wait_s, longest_wait_s, busy_s, ran_because, passed_over.
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
    """A worker as the roster knows it, with the seconds since it was last heard of."""

    silent_s: float = 0.0
