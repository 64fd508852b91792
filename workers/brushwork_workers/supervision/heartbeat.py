"""The worker's heartbeat: prolongs all leases in one statement, and hears which jobs must stop."""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from brushwork_core.ledger import Ledger, Signal, WriteOutcome
from brushwork_schemas.errors import BrushworkError

from brushwork_workers.execution.attempt import Attempt

LOGGER = logging.getLogger(__name__)


class RecurringThread:
    """Calls something again and again in a thread of its own, whatever it raises.

    Args:
        name: The thread's name.
        every_s: Seconds between two calls.
        action: What is called.
        wakes: Calls it at once when set; whoever is called clears it.
    """

    def __init__(
        self, name: str, every_s: float, action: Callable[[], None], wakes: threading.Event | None = None
    ) -> None:
        self._name = name
        self._every_s = every_s
        self._action = action
        self._stopping = False
        self._wakes = wakes or threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin with a first call now."""
        self._thread.start()

    def stop(self) -> None:
        """End after the call in progress."""
        self._stopping = True
        self._wakes.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            try:
                self._action()
            except BrushworkError as error:
                LOGGER.warning("%s: %s", self._name, error)
            except Exception:
                # A thread that ended here would cost every lease; the next round may go well.
                LOGGER.exception("%s failed", self._name)
            self._wakes.wait(self._every_s)
            if self._stopping:
                return


class Heartbeat:
    """Knows the jobs this process runs, and renews their leases.

    Args:
        ledger: Where the leases are.
        worker: This process's name in the ledger.
    """

    def __init__(self, ledger: Ledger, worker: str) -> None:
        self._ledger = ledger
        self._worker = worker
        self._attempts: set[Attempt] = set()
        self._strays: set[tuple[str, int]] = set()
        self._changing = threading.Lock()

    @contextmanager
    def holding(self, attempt: Attempt) -> Iterator[None]:
        """Keep this job's lease alive inside."""
        with self._changing:
            self._attempts.add(attempt)
        try:
            yield
        finally:
            with self._changing:
                self._attempts.discard(attempt)

    def attempts(self) -> list[Attempt]:
        """The jobs that run now."""
        with self._changing:
            return list(self._attempts)

    def beat(self, stalled: Collection[Attempt] = ()) -> None:
        """Renew once. A job that was held before and is not renewed is lost; a stray one is given back.

        Args:
            stalled: Jobs that do not move any more, and are let go.
        """
        before = self.attempts()
        renewed = self._ledger.renew(self._worker, without=[attempt.claim.job_id for attempt in stalled])
        for attempt in before:
            attempt.hear(renewed.get(attempt.key, Signal.LOST))
        self._give_back_strays(renewed.keys() - _attempts(before) - _attempts(self.attempts()))

    def release_all(self, but: Collection[Attempt] = ()) -> int:
        """Give back every running job but these, uncharged; their threads leave at their next step.

        Returns:
            How many.
        """
        released = 0
        for attempt in self.attempts():
            if attempt in but:
                continue
            released += self._ledger.release(*attempt.key) is WriteOutcome.APPLIED
            attempt.hear(Signal.LOST)
        return released

    def _give_back_strays(self, strays: set[tuple[str, int]]) -> None:
        """Give back what the ledger says is ours and no thread runs.

        The answer to its claim got lost on the way, or its end could not be written for too long. Renewed
        for ever, it would run for ever. One that is seen for the first time may just have been claimed.
        """
        for job_id, fence in strays & self._strays:
            if self._ledger.release(job_id, fence) is WriteOutcome.APPLIED:
                LOGGER.warning(
                    "Job %s is held by this worker and not run: it goes back to the queue",
                    job_id,
                    extra={"job": job_id},
                )
        self._strays = strays


def _attempts(attempts: Iterable[Attempt]) -> set[tuple[str, int]]:
    return {attempt.key for attempt in attempts}
