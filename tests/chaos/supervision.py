"""Replaces workers that ended, as `brushwork up` does: take over what they left, then start another."""

import queue
import threading
from collections.abc import Callable

from brushwork_core.fleet.takeover import take_over_from_dead
from brushwork_core.settings.settings import Settings

from tests.chaos.nursery import Worker

# So that one which ends at once does not keep the machine busy with its births.
PAUSE_S = 0.3


class Supervision:
    """A thread that waits for ends.

    Args:
        settings: Of the workers.
        replace: Starts another in the place of this one.
    """

    def __init__(self, settings: Settings, replace: Callable[[Worker], None]) -> None:
        self._settings = settings
        self._replace = replace
        self._ended: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervision", daemon=True)
        self._thread.start()

    def has_ended(self, worker: Worker) -> None:
        """Take note of an end, from any thread."""
        self._ended.put(worker)

    def close(self) -> None:
        """Replace nobody any more."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(PAUSE_S):
            while not self._ended.empty():
                worker = self._ended.get()
                take_over_from_dead(self._settings)
                self._replace(worker)
