"""What a running job may use: pictures in, pictures out, word of its progress, and the wish to stop."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Signal
from brushwork_core.ledger.checkpoints import JobCheckpoints
from brushwork_core.media import pictures
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.preview import Preview
from PIL import Image

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.interface import SavedCheckpoint

LOGGER = logging.getLogger(__name__)
PREVIEW_EVERY_S = 1.0
PREVIEW_SIDE = 256


class AttemptContext:
    """The desk of one attempt.

    Args:
        attempt: The attempt; the intercom carries to the ledger what is noted there.
        store: Holds the pictures.
        clock: Gives seconds that only grow.
        checkpoints: Where it is written how far trainings are; without them nothing is saved.
    """

    def __init__(
        self,
        attempt: Attempt,
        store: ArtifactStore,
        clock: Callable[[], float] = time.monotonic,
        checkpoints: JobCheckpoints | None = None,
    ) -> None:
        self._checkpoints = checkpoints
        self._attempt = attempt
        self._store = store
        self._clock = clock
        self._shown_at = -math.inf
        self.outputs: list[Artifact] = []
        self.reading_s = 0.0

    @property
    def job_id(self) -> str:
        """As `JobContext.job_id`."""
        return self._attempt.claim.job_id

    def picture(self, sha256: str) -> Image.Image:
        """As `JobContext.picture`."""
        began = time.monotonic()
        picture = pictures.decode(self._store.get(sha256))
        self.reading_s += time.monotonic() - began
        return picture

    def file(self, sha256: str) -> bytes:
        """As `JobContext.file`."""
        began = time.monotonic()
        data = self._store.get(sha256)
        self.reading_s += time.monotonic() - began
        return data

    def keep(self, picture: Image.Image) -> Artifact:
        """As `JobContext.keep`."""
        artifact = self._store.put_picture(pictures.encode_png(picture))
        self.outputs.append(artifact)
        return artifact

    def keep_file(self, data: bytes, media_type: str) -> Artifact:
        """As `JobContext.keep_file`."""
        artifact = self._store.put_file(data, media_type)
        self.outputs.append(artifact)
        return artifact

    def step(self, step: int, total: int) -> None:
        """As `JobContext.step`."""
        self._attempt.progress = Progress(step=step, total=total)
        self._attempt.check()

    def wants_preview(self) -> bool:
        """As `JobContext.wants_preview`."""
        return self._attempt.is_watched and self._clock() - self._shown_at >= PREVIEW_EVERY_S

    def preview(self, picture: Image.Image) -> None:
        """As `JobContext.preview`."""
        self._shown_at = self._clock()
        jpeg = pictures.encode_small_jpeg(picture, PREVIEW_SIDE)
        self._attempt.preview = Preview(jpeg=jpeg, **self._attempt.progress.model_dump())

    def saved(self) -> SavedCheckpoint | None:
        """As `JobContext.saved`."""
        found = self._checkpoints.get(self.job_id) if self._checkpoints else None
        if found is None or found.checkpoint is None:
            return None
        try:
            return SavedCheckpoint(found.curve, self._store.get(found.checkpoint))
        except ArtifactMissing as error:
            LOGGER.warning("Job %s begins anew: %s", self.job_id, error)
            return None

    def save(self, curve: Sequence[Epoch], data: bytes) -> None:
        """As `JobContext.save`; if ledger or store are unreachable, the previous checkpoint stays valid."""
        if self._checkpoints is None:
            return
        try:
            checkpoint = self._store.put_file(data, "application/octet-stream")
            unneeded = self._checkpoints.note(*self._attempt.key, curve, checkpoint)
        except ServiceUnreachable as error:
            LOGGER.warning("Job %s goes on without a checkpoint: %s", self.job_id, error)
            return
        if unneeded is None:
            self._attempt.hear(Signal.LOST)
            self._attempt.check()
        discard(self._store, unneeded or ())


def discard(store: ArtifactStore, names: Iterable[str]) -> None:
    """Remove files that no job refers to any more; what can't be removed now is left to `brushwork prune`."""
    for name in names:
        try:
            store.remove_if_old(name, 0.0)
        except ServiceUnreachable as error:
            LOGGER.warning("File %s stays in the store: %s", name, error)
