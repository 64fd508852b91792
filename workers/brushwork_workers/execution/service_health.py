"""Which of the services that a worker needs are away: the database, Redis, the artifact store.

All parts of a worker report here what they see. While the database or the store is away, the worker takes no
messages, and what has failed for that reason is nobody's fault: it costs no attempt.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from brushwork_schemas.errors import BrushworkError, ServiceUnreachable

LOGGER = logging.getLogger(__name__)
# Pause between two checks of a service that is away, in seconds.
CHECK_AWAY_EVERY_S = 0.5
# A failure that comes so many seconds after a failed check has the same cause.
RECENT_S = 30.0


class Service(StrEnum):
    """A service that a worker needs."""

    DATABASE = "database"
    REDIS = "redis"
    STORE = "store"


_BY_SETTING = {
    "database_url": Service.DATABASE,
    "redis_url": Service.REDIS,
    "artifacts_url": Service.STORE,
}


_SHOWN = {
    Service.DATABASE: "database",
    Service.REDIS: "Redis server",
    Service.STORE: "artifact store",
}


def service_of(error: BaseException) -> Service | None:
    """Return the service that does not answer, as the error's field names it; None for any other error."""
    if isinstance(error, ServiceUnreachable) and error.field is not None:
        return _BY_SETTING.get(str(error.field))
    return None


class WatchedService:
    """Whether one service answers. Safe to use from any thread.

    Args:
        service: The service.
        check: Asks it; raises `ServiceUnreachable` if it does not answer. Its argument is whether the service
            is away: then the check has to be thorough. None for a service that others check.
        every_s: Seconds between two checks while it answers.
        on_change: Called when it goes away or is back.
    """

    def __init__(
        self,
        service: Service,
        check: Callable[[bool], None] | None = None,
        *,
        every_s: float = 5.0,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._check = check
        self._every_s = every_s
        self._on_change = on_change
        self._changing = threading.Lock()
        self._checking = threading.Lock()
        self._is_here = threading.Event()
        self._is_here.set()
        self._check_began_at = -float("inf")
        self._check_failed_at = -float("inf")
        self._answers_since: float | None = None
        self._away_since = 0.0
        self._error: BrushworkError | None = None
        self.wanted = threading.Event()

    @property
    def is_away(self) -> bool:
        """Whether it did not answer the last time."""
        return not self._is_here.is_set()

    @property
    def is_checked(self) -> bool:
        """Whether it has a check, so that nobody else needs to find out that it is back."""
        return self._check is not None

    @property
    def error(self) -> BrushworkError | None:
        """Why it is away; None where it is not."""
        return self._error if self.is_away else None

    def failed(self, error: BrushworkError) -> None:
        """Note that a call failed. The next check follows at once."""
        with self._changing:
            went_away = self._is_here.is_set()
            self._error = _bare(error)
            if went_away:
                self._is_here.clear()
                self._away_since = time.monotonic()
        if went_away:
            LOGGER.warning(
                "The %s is away; this worker takes no messages until it answers: %s",
                _SHOWN[self._service],
                error,
            )
            self._on_change()
        self.wanted.set()

    def answered(self) -> None:
        """Note that it answers."""
        with self._changing:
            came_back = not self._is_here.is_set()
            self._is_here.set()
        if came_back:
            away_s = time.monotonic() - self._away_since
            LOGGER.info("The %s is back after %.1f s", _SHOWN[self._service], away_s)
            self._on_change()

    def check_failed(self, error: BrushworkError) -> None:
        """Note that a check failed: it is away for everybody, not for one call."""
        self._check_failed_at = time.monotonic()
        self._answers_since = None
        self.failed(error)

    def check_answered(self) -> None:
        """Note that a check was answered."""
        if self._answers_since is None:
            self._answers_since = time.monotonic()
        self.answered()

    def check(self) -> None:
        """Check it, if that is due; to be called several times a second."""
        self.wanted.clear()
        due_s = 0.0 if self.is_away else self._every_s
        if time.monotonic() - self._check_began_at >= due_s:
            with self._checking:
                self._ask()

    def is_to_blame(self) -> bool:
        """Whether the failure of a call just now is the fault of the service: it was away for everybody.

        Waits for the answer to a check.
        """
        asked_at = time.monotonic()
        if self._check is not None:
            with self._checking:
                if self._check_began_at < asked_at:
                    self._ask()
        return self._check_failed_at > asked_at - RECENT_S

    def wait_here(self, timeout_s: float) -> bool:
        """Wait until it answers, and return whether it does."""
        return self._is_here.wait(timeout_s)

    def answers_others_s(self, since: float) -> float:
        """Return for how many seconds after `since` it has answered every check up to now."""
        return 0.0 if self._answers_since is None else time.monotonic() - max(self._answers_since, since)

    def _ask(self) -> None:
        if self._check is None:
            return
        self._check_began_at = time.monotonic()
        try:
            self._check(self.is_away)
        except ServiceUnreachable as error:
            self.check_failed(error)
        except Exception:
            # Whoever asks is in the midst of ending an attempt.
            LOGGER.exception("The check of the %s failed", _SHOWN[self._service])
        else:
            self.check_answered()


class ServiceHealth:
    """The services of a worker.

    Args:
        checks: The check of each service, as for `WatchedService`. Others check a service without one.
    """

    def __init__(self, checks: Mapping[Service, Callable[[bool], None]] | None = None) -> None:
        self._on_change: Callable[[], None] = lambda: None
        self._watched = {
            service: WatchedService(service, (checks or {}).get(service), on_change=self._changed)
            for service in Service
        }

    def __getitem__(self, service: Service) -> WatchedService:
        return self._watched[service]

    @property
    def takes_work(self) -> bool:
        """Whether new messages can be processed. Asked in every round of the event loop."""
        # Without Redis no message arrives anyway.
        return not (self._watched[Service.STORE].is_away or self._watched[Service.DATABASE].is_away)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a service goes away or is back, in place of the callback before."""
        self._on_change = callback

    def failed(self, error: BaseException) -> WatchedService | None:
        """Note an error, and return the service that it is about; None if it is about none."""
        service = service_of(error)
        if service is None or not isinstance(error, BrushworkError):
            return None
        self._watched[service].failed(error)
        return self._watched[service]

    def is_to_blame(self, error: BaseException) -> bool:
        """Whether an error is the fault of a service that is away for everybody."""
        service = service_of(error)
        return service is not None and self._watched[service].is_to_blame()

    def _changed(self) -> None:
        self._on_change()


def _bare(error: BrushworkError) -> BrushworkError:
    """The error without the frames that raised it, which would keep the files of a job in memory."""
    return type(error)(error.message, field=error.field, hint=error.hint)
