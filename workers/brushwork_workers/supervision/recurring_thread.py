"""A thread that repeats an action."""

import logging
import threading
import time
from collections.abc import Callable

from brushwork_schemas.errors import BrushworkError

LOGGER = logging.getLogger(__name__)


class RecurringThread:
    """Repeats an action in a thread of its own, whatever the action raises.

    Args:
        name: Name of the thread.
        every_s: Seconds between two calls.
        action: Called each time.
        wake: When set, the action is called at once; the action clears it.
    """

    def __init__(
        self, name: str, every_s: float, action: Callable[[], None], wake: threading.Event | None = None
    ) -> None:
        self.name = name
        # In seconds since 1970; None before the first call that raised nothing.
        self.succeeded_at: float | None = None
        self._every_s = every_s
        self._action = action
        self._is_stopping = False
        self._wake = wake or threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; the first call comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the call in progress, for which it waits at most 5 seconds."""
        self._is_stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            try:
                self._action()
                self.succeeded_at = time.time()
            except BrushworkError as error:
                LOGGER.warning("%s: %s", self.name, error)
            except Exception:
                # If this thread ended, all leases would run out. The next call may succeed.
                LOGGER.exception("%s failed", self.name)
            self._wake.wait(self._every_s)
            if self._is_stopping:
                return
