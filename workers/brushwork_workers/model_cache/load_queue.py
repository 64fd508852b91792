"""Which jobs may wait for a model in a thread of this worker. No thread, no clock.

Threads are few, and a waiting thread cannot run another job. So the number of waiters is limited, and a job
that finds no place goes back to the ledger. A job whose model has been requested the longest always finds a
place: it displaces a waiter whose model has other waiters, or was requested later.
"""

from dataclasses import dataclass

from brushwork_schemas.errors import BrushworkError


@dataclass(eq=False)
class Waiter:
    """A job that waits for a model.

    Args:
        name: Name of the model.
        since_s: When the model was first requested, in seconds of a monotonic clock.
        is_displaced: Whether another job has taken the place; this one has to leave.
        error: Why the model could not be loaded.
        is_pinned: Whether the model is being loaded for this waiter, which therefore cannot be displaced.
    """

    name: str
    since_s: float
    is_displaced: bool = False
    error: BrushworkError | None = None
    is_pinned: bool = False


class LoadQueue:
    """The jobs that wait for a model.

    Args:
        max_waiters: Most jobs that may wait at a time; at least one may.
    """

    def __init__(self, max_waiters: int) -> None:
        self._max_waiters = max(1, max_waiters)
        self._waiters: list[Waiter] = []

    @property
    def names(self) -> set[str]:
        """Names of the models that jobs wait for."""
        return {waiter.name for waiter in self._waiters}

    def enter(self, name: str, since_s: float) -> Waiter | None:
        """Add a waiter, displacing another one if necessary; None if there is no place."""
        if len(self._waiters) >= self._max_waiters and not self._displace(name, since_s):
            return None
        waiter = Waiter(name, since_s)
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Remove a waiter, unless it was displaced."""
        if not waiter.is_displaced:
            self._waiters.remove(waiter)

    def fail(self, name: str, error: BrushworkError) -> None:
        """Give all waiters of this model the error that prevented its load."""
        for waiter in self._waiters:
            if waiter.name == name:
                waiter.error = error

    def _displace(self, name: str, since_s: float) -> bool:
        if name in self.names:
            return False
        candidates = [waiter for waiter in self._waiters if not waiter.is_pinned]
        names = [waiter.name for waiter in self._waiters]
        shared = [waiter for waiter in candidates if names.count(waiter.name) > 1]
        later = [waiter for waiter in candidates if waiter.since_s > since_s]
        displaced = max(shared or later, key=lambda waiter: waiter.since_s, default=None)
        if displaced is None:
            return False
        displaced.is_displaced = True
        self._waiters.remove(displaced)
        return True
