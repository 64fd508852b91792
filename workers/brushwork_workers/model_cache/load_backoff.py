"""Models that could not be loaded: not tried again for a while, and each job told why."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from brushwork_core.timing.backoff import Backoff
from brushwork_schemas.errors import BrushworkError, ModelUnavailable

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 120.0
BACKOFF = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
# Trained models come and go; those of the catalogue are fewer.
MOST = 1000
_Error = TypeVar("_Error", bound=BrushworkError)


@dataclass(frozen=True)
class _FailedLoad:
    error: ModelUnavailable
    failures: int
    until_s: float


class LoadBackoff:
    """Errors by model. After a pause, which doubles each time, a model may be tried again.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refusals: dict[str, _FailedLoad] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._refusals

    def add(self, name: str, error: ModelUnavailable) -> None:
        """Remember why it could not be loaded."""
        before = self._refusals.get(name)
        failures = before.failures + 1 if before else 1
        until_s = self._clock() + BACKOFF.pause_s(failures)
        if len(self._refusals) >= MOST:
            self._refusals = {of: each for of, each in self._refusals.items() if each.until_s > self._clock()}
        self._refusals[name] = _FailedLoad(anew(error), failures, until_s)

    def clear(self, name: str) -> None:
        """It could be loaded."""
        self._refusals.pop(name, None)

    def check(self, name: str) -> None:
        """Say why it could not be loaded, unless it is time to try again.

        Raises:
            ModelUnavailable: The error of the last try, or one of its kind.
        """
        known = self._refusals.get(name)
        if known is not None and self._clock() < known.until_s:
            raise anew(known.error)


def anew(error: _Error) -> _Error:
    """The same error without its traceback, which would keep alive whatever was in memory."""
    return type(error)(error.message, field=error.field, hint=error.hint)
