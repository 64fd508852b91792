"""The workers of the same machine: their processes are checked without any query."""

from collections.abc import Sequence

from brushwork_core.fleet.worker_registry import BeatReply, WorkerProcessId, WorkerRegistry


class Neighbours:
    """Detects that a worker of this machine has died.

    Args:
        worker_registry: Lists the workers of this machine. It is read again when a heartbeat has told that
            they have changed.
    """

    def __init__(self, worker_registry: WorkerRegistry) -> None:
        self._worker_registry = worker_registry
        self._known: Sequence[WorkerProcessId] = ()
        self._state: tuple[int, int] | None = None

    def learn(self, reply: BeatReply) -> None:
        """Read the list again if a worker has come or gone.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        state = (reply.num_here, reply.newest_here_ms)
        if state != self._state:
            self._known = self._worker_registry.processes_here()
            self._state = state

    def gone(self) -> list[str]:
        """Return the names of the neighbours whose process has ended, as far as this worker knows them."""
        return [process.name for process in self._known if process.is_gone]

    def forget(self, names: Sequence[str]) -> None:
        """Expect nothing of these any more."""
        self._known = [process for process in self._known if process.name not in names]
