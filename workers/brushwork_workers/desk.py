"""What a running job may use: pictures in, pictures out, word of its progress, and the wish to stop."""

import threading
import time
from typing import Protocol

from brushwork_schemas import pictures
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.errors import JobStopped, ServiceUnreachable
from brushwork_schemas.ledger import Claim, Ledger, Signal
from PIL import Image

PROGRESS_EVERY_S = 0.25


class Desk(Protocol):
    """What a kind of job sees of the system around it."""

    def picture(self, sha256: str) -> Image.Image:
        """The input of that name, RGB.

        Raises:
            ArtifactMissing: It is not in the store.
            InvalidImage: It is no picture, or too large.
        """
        ...

    def keep(self, picture: Image.Image) -> Artifact:
        """Store a picture as a PNG output."""
        ...

    def step(self, step: int, total: int) -> None:
        """Say that `step` of `total` steps are done.

        Raises:
            JobStopped: The job was canceled or its lease is lost; leave it.
        """
        ...


class Hold:
    """A worker's hold on one claimed job: the wish to stop arrives here, from any thread."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._signal = Signal.GO_ON
        self._changed = threading.Lock()

    @property
    def signal(self) -> Signal:
        """What the ledger said last; once it said stop, it stays so."""
        return self._signal

    def hear(self, signal: Signal) -> None:
        """Take note of the ledger's word."""
        with self._changed:
            if self._signal is Signal.GO_ON:
                self._signal = signal

    def check(self) -> None:
        """Leave the job if it should not go on.

        Raises:
            JobStopped: It should not.
        """
        if self._signal is not Signal.GO_ON:
            raise JobStopped(f"Job {self.claim.job_id} was told: {self._signal.value}.")


class JobDesk:
    """The desk of one attempt, on the ledger and the artifact store.

    Args:
        hold: The attempt.
        ledger: Hears of progress, at most every quarter of a second.
        store: Holds the pictures.
    """

    def __init__(self, hold: Hold, ledger: Ledger, store: ArtifactStore) -> None:
        self._hold = hold
        self._ledger = ledger
        self._store = store
        self._told_at = 0.0
        self.outputs: list[Artifact] = []
        self.reading_s = 0.0

    def picture(self, sha256: str) -> Image.Image:
        """As `Desk.picture`."""
        began = time.monotonic()
        picture = pictures.decode(self._store.get(sha256))
        self.reading_s += time.monotonic() - began
        return picture

    def keep(self, picture: Image.Image) -> Artifact:
        """As `Desk.keep`."""
        artifact = self._store.put_picture(pictures.encode_png(picture))
        self.outputs.append(artifact)
        return artifact

    def step(self, step: int, total: int) -> None:
        """As `Desk.step`."""
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_EVERY_S:
            self._told_at = now
            self._tell(step, total)
        self._hold.check()

    def _tell(self, step: int, total: int) -> None:
        claim = self._hold.claim
        try:
            self._hold.hear(self._ledger.progress(claim.job_id, claim.fence, step, total))
        except ServiceUnreachable:
            # Progress is a courtesy; the lease decides whether the job may go on.
            return
