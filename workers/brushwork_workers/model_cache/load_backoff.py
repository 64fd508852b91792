"""Models that could not be loaded: not tried again for a while, and every job gets the reason."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from brushwork_core.timing.backoff import Backoff
from brushwork_schemas.errors import BrushworkError, ModelUnavailable

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 120.0
BACKOFF = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
# A catalogue has fewer models than this, but trained models come and go.
MAX_MODELS = 1000
_Error = TypeVar("_Error", bound=BrushworkError)


@dataclass(frozen=True)
class _FailedLoad:
    error: ModelUnavailable
    failures: int
    until_s: float


class LoadBackoff:
    """The errors of failed loads, by model. The pause before the next try doubles with each failure.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, _FailedLoad] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._failed

    def add(self, name: str, error: ModelUnavailable) -> None:
        """Record that a model could not be loaded."""
        before = self._failed.get(name)
        failures = before.failures + 1 if before else 1
        until_s = self._clock() + BACKOFF.pause_s(failures)
        if len(self._failed) >= MAX_MODELS:
            self._failed = {key: each for key, each in self._failed.items() if each.until_s > self._clock()}
        self._failed[name] = _FailedLoad(without_traceback(error), failures, until_s)

    def clear(self, name: str) -> None:
        """Record that a model could be loaded."""
        self._failed.pop(name, None)

    def check(self, name: str) -> None:
        """Raise the error of the last try, unless the pause is over.

        Raises:
            ModelUnavailable: The model could not be loaded, and it is too early to try again.
        """
        failed = self._failed.get(name)
        if failed is not None and self._clock() < failed.until_s:
            raise without_traceback(failed.error)


def without_traceback(error: _Error) -> _Error:
    """Copy an error without its traceback, which would keep everything in its frames in memory."""
    return type(error)(error.message, field=error.field, hint=error.hint)
