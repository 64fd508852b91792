"""A thread that repeats an action."""

import logging
import threading
import time
from collections.abc import Callable

from brushwork_schemas.errors import BrushworkError

LOGGER = logging.getLogger(__name__)
# The same error of an action is logged again after so long.
SAY_AGAIN_AFTER_S = 60.0


class RecurringThread:
    """Repeats an action in a thread of its own, whatever the action raises.

    Args:
        name: Name of the thread.
        every_s: Seconds between two calls, or a function that returns them after each call.
        action: Called each time.
        wake: When set, the action is called at once; the action clears it.
    """

    def __init__(
        self,
        name: str,
        every_s: float | Callable[[], float],
        action: Callable[[], None],
        wake: threading.Event | None = None,
    ) -> None:
        self.name = name
        # In seconds since 1970; None before the first call that raised nothing.
        self.succeeded_at: float | None = None
        self._every_s = every_s if callable(every_s) else lambda: every_s
        self._action = action
        self._is_stopping = False
        self._wake = wake or threading.Event()
        self._said: tuple[str, float] | None = None
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
                self._said = None
            except BrushworkError as error:
                self._say(error)
            except Exception:
                # If this thread ended, all leases would run out. The next call may succeed.
                LOGGER.exception("%s failed", self.name)
            self._wake.wait(self._every_s())
            if self._is_stopping:
                return

    def _say(self, error: BrushworkError) -> None:
        """Log an error once, and not at each call of a service that is away for long."""
        now_s, text = time.monotonic(), str(error)
        if self._said is None or self._said[0] != text or now_s - self._said[1] >= SAY_AGAIN_AFTER_S:
            self._said = (text, now_s)
            LOGGER.warning("%s: %s", self.name, error)
