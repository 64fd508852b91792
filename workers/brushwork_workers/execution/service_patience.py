"""Repeat a call while the service that it needs is away."""

import time
from collections.abc import Callable
from typing import TypeVar

from brushwork_core.ledger import Signal
from brushwork_core.timing.backoff import Backoff
from brushwork_schemas.errors import ServiceUnreachable

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.service_health import Service, ServiceHealth, WatchedService

BACKOFF = Backoff(first_s=0.1, longest_s=2.0)
# A thread waits so long for an input. Then its job goes back, for another worker may reach the store.
INPUT_LIMIT_S = 3.0
# The pauses are divided, so that a job that must stop leaves soon.
LOOK_EVERY_S = 0.25
_Answer = TypeVar("_Answer")


class ServicePatience:
    """Repeats calls while a service is away. `ask` and `write` are for calls of the ledger.

    Args:
        services: Told of every failure and every answer.
        limit_s: Seconds after which a call without an attempt gives up; the length of a lease.
    """

    def __init__(self, services: ServiceHealth, limit_s: float) -> None:
        self._services = services
        self._limit_s = limit_s

    def ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Return what `call` returns.

        Raises:
            ServiceUnreachable: The service could not be reached within the limit.
        """
        began = time.monotonic()
        answer = self._repeated(call, lambda service: time.monotonic() > began + self._limit_s, _nothing)
        self._services[Service.DATABASE].answered()
        return answer

    def write(self, attempt: Attempt, call: Callable[[], _Answer]) -> _Answer:
        """Write to the ledger for an attempt, however long its services are away.

        The lease of the attempt is renewed meanwhile, or its loss is noticed once the database is back.

        Raises:
            ServiceUnreachable: The attempt has lost its lease. Or the service answers everybody else: then
                the call itself is the reason.
        """
        began = time.monotonic()

        def is_enough(service: WatchedService) -> bool:
            is_lost = attempt.signal is Signal.LOST
            return is_lost or service.answers_others_s(began) > self._limit_s

        answer = self._repeated(call, is_enough, attempt.touch)
        self._services[Service.DATABASE].answered()
        return answer

    def read(self, attempt: Attempt, call: Callable[[], _Answer]) -> _Answer:
        """Read something for an attempt.

        Raises:
            ServiceUnreachable: The service did not answer for some seconds.
            JobStopped: The attempt must stop.
        """
        began = time.monotonic()
        return self._repeated(call, lambda service: time.monotonic() > began + INPUT_LIMIT_S, attempt.check)

    def _repeated(
        self,
        call: Callable[[], _Answer],
        is_enough: Callable[[WatchedService], bool],
        look: Callable[[], None],
    ) -> _Answer:
        failures = 0
        while True:
            try:
                return call()
            except ServiceUnreachable as error:
                service = self._services.failed(error)
                if service is None or is_enough(service):
                    raise
                failures += 1
                _wait(BACKOFF.pause_s(failures), look)
                while service.is_away and service.is_checked:
                    if is_enough(service):
                        raise
                    look()
                    service.wait_here(LOOK_EVERY_S)


def _wait(seconds: float, look: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        look()
        time.sleep(min(left_s, LOOK_EVERY_S))


def _nothing() -> None:
    """Nothing has to be looked at."""
