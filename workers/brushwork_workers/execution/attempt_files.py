"""The files of one attempt: it reads inputs, and writes outputs or holds them until the store answers."""

import time
from collections.abc import Iterable

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.input_credentials import InputCredentials
from brushwork_core.files.sha256 import sha256_of
from brushwork_core.files.unused_files import UnusedFiles
from brushwork_core.ledger import Signal
from brushwork_schemas.artifact import Artifact, describe
from brushwork_schemas.errors import BrushworkError, ServiceUnreachable

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.held_files import HeldFile, HeldFiles
from brushwork_workers.execution.service_health import Service, ServiceHealth
from brushwork_workers.execution.service_patience import LOOK_EVERY_S, ServicePatience

# If the store takes other files as large for so long, it will not take this one later.
REFUSED_LIMIT_S = 30.0


class AwayTooLong(Exception):
    """The store was away for longer than finished files may be held.

    Args:
        error: The last error of the store.
    """

    def __init__(self, error: BrushworkError) -> None:
        super().__init__(error.message)
        self.error = error


class FileAccess:
    """What the attempts of a worker share to read and write files.

    Args:
        store: The artifact store.
        unused: Removes files that no job refers to.
        services: Know whether the store is away.
        patience: Repeats reads.
        held: Holds finished files.
        limit_s: Most seconds that a finished file is held.
    """

    def __init__(
        self,
        store: ArtifactStore,
        unused: UnusedFiles,
        services: ServiceHealth,
        patience: ServicePatience,
        held: HeldFiles,
        limit_s: float,
    ) -> None:
        self.store = store
        self.unused = unused
        self.credentials = InputCredentials(unused.database)
        self.health = services[Service.STORE]
        self.patience = patience
        self.held = held
        self.limit_s = limit_s


class AttemptFiles:
    """Reads the inputs and writes the outputs of one attempt.

    Args:
        attempt: The attempt.
        access: The store, and what is needed while it is away.
    """

    def __init__(self, attempt: Attempt, access: FileAccess) -> None:
        self._attempt = attempt
        self._access = access
        self._waiting: list[HeldFile] = []

    @property
    def has_waiting(self) -> bool:
        """Whether outputs wait for the store."""
        return bool(self._waiting)

    @property
    def reason(self) -> BrushworkError | None:
        """Why the store takes nothing; None if it answers again."""
        return self._access.health.error

    def get(self, sha256: str) -> bytes:
        """Read a file.

        Raises:
            ArtifactMissing: No file has this name.
            ServiceUnreachable: The store does not answer.
            JobStopped: The attempt must stop.
        """
        return self._access.patience.read(self._attempt, lambda: self._access.store.get(sha256))

    def credentials_of(self, pictures: Iterable[str]) -> dict[str, str]:
        """Return the names of the files with the credentials that input pictures had, by their names.

        Raises:
            ServiceUnreachable: The database does not answer.
            JobStopped: The attempt must stop.
        """
        find = self._access.credentials.of_job
        return self._access.patience.read(self._attempt, lambda: find(self._attempt.claim.job_id, pictures))

    def put_picture(self, data: bytes) -> Artifact:
        """Store or hold an encoded picture, and return its artifact."""
        return describe(data, self._put(data))

    def put_file(self, data: bytes, media_type: str) -> Artifact:
        """Store or hold a file that is not a picture, and return its artifact."""
        return Artifact(sha256=self._put(data), media_type=media_type, size_bytes=len(data))

    def put_now(self, data: bytes, media_type: str) -> Artifact:
        """Store a file that can be done without.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        if (away := self._access.health.error) is not None:
            raise away
        try:
            return self._access.store.put_file(data, media_type)
        except ServiceUnreachable as error:
            self._access.health.failed(error)
            raise

    def discard(self, names: Iterable[str]) -> None:
        """Remove files that no job refers to; `brushwork prune` removes those that cannot be removed now."""
        if not self._access.health.is_away:
            self._access.unused.remove(names)

    def deliver(self) -> None:
        """Write the outputs that wait, once the store is back.

        Raises:
            JobStopped: The attempt must stop.
            ServiceUnreachable: The store takes other files, but not these.
            AwayTooLong: The store was away for longer than files may be held.
        """
        began = time.monotonic()
        while self._waiting:
            if self._attempt.is_overdue:
                self._attempt.receive(Signal.EXPIRE)
            self._attempt.check()
            if self._access.health.wait_here(LOOK_EVERY_S):
                self._deliver_one(began)
            elif (away := self._access.health.error) and time.monotonic() - began > self._access.limit_s:
                raise AwayTooLong(away)

    def close(self) -> None:
        """Forget the outputs that wait."""
        while self._waiting:
            self._waiting.pop().close()

    def _put(self, data: bytes) -> str:
        if not self._waiting and not self._access.health.is_away:
            try:
                return self._access.store.put(data)
            except ServiceUnreachable as error:
                self._access.health.failed(error)
        self._waiting.append(self._access.held.add(data))
        return sha256_of(data)

    def _deliver_one(self, began: float) -> None:
        try:
            self._access.store.put(self._waiting[0].read())
        except ServiceUnreachable as error:
            self._access.health.failed(error)
            if self._access.health.answers_others_s(began) > REFUSED_LIMIT_S:
                raise
        else:
            self._waiting.pop(0).close()
