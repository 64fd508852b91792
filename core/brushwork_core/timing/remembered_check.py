"""Remembers for some seconds whether a check has passed, so that a health check stays cheap."""

import threading
import time
from collections.abc import Callable

from brushwork_schemas.errors import ServiceUnreachable

# A check that has passed is made again after this time, one that has failed sooner.
PASSED_S, FAILED_S = 10.0, 2.0


class RememberedCheck:
    """Makes a check at most once in some seconds.

    Any number of threads may ask; one of them checks, and the others wait for its finding.

    Args:
        check: Raises `ServiceUnreachable` if a service cannot be used.
        passed_s: Seconds for which a pass is remembered.
        failed_s: Seconds for which a failure is remembered.
    """

    def __init__(
        self, check: Callable[[], object], *, passed_s: float = PASSED_S, failed_s: float = FAILED_S
    ) -> None:
        self._check = check
        self._passed_s = passed_s
        self._failed_s = failed_s
        self._lock = threading.Lock()
        self._fault: ServiceUnreachable | None = None
        self._until = 0.0

    def expect_usable(self) -> None:
        """Return if the service could be used when it was last checked.

        Raises:
            ServiceUnreachable: It could not be used, and why.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._check_now()
            if self._fault is not None:
                raise self._fault

    def _check_now(self) -> None:
        try:
            self._check()
            self._fault = None
        except ServiceUnreachable as error:
            self._fault = error
        self._until = time.monotonic() + (self._passed_s if self._fault is None else self._failed_s)
