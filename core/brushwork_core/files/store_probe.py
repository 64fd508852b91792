"""Remembers for some seconds whether the artifact store can be used, so that a health check stays cheap."""

import threading
import time

from brushwork_schemas.errors import ServiceUnreachable

from brushwork_core.files.artifact_store import ArtifactStore

# A store that could be used is checked again after this time, one that could not sooner.
USABLE_S, AWAY_S = 10.0, 2.0


class StoreProbe:
    """Writes, reads and removes a file in the store, at most once in some seconds.

    Any number of threads may ask; one of them checks, and the others wait for its finding.

    Args:
        store: The artifact store.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._fault: ServiceUnreachable | None = None
        self._until = 0.0

    def expect_usable(self) -> None:
        """Return if the store could be used when it was last checked.

        Raises:
            ServiceUnreachable: It could not be used, and why.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._check()
            if self._fault is not None:
                raise self._fault

    def _check(self) -> None:
        try:
            self._store.check()
            self._fault = None
        except ServiceUnreachable as error:
            self._fault = error
        self._until = time.monotonic() + (USABLE_S if self._fault is None else AWAY_S)
