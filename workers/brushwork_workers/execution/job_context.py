"""What a running job may use: pictures in, pictures out, word of its progress, and the wish to stop."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Signal
from brushwork_core.ledger.checkpoints import Trainings
from brushwork_core.media import pictures
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable
from brushwork_schemas.job import Progress
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.preview import Preview
from PIL import Image

from brushwork_workers.execution.attempt import Hold
from brushwork_workers.interface import Saved

LOGGER = logging.getLogger(__name__)
PREVIEW_EVERY_S = 1.0
PREVIEW_SIDE = 256


class JobDesk:
    """The desk of one attempt.

    Args:
        hold: The attempt; the intercom carries to the ledger what is noted there.
        store: Holds the pictures.
        clock: Gives seconds that only grow.
        trainings: Where it is written how far trainings are; without them nothing is saved.
    """

    def __init__(
        self,
        hold: Hold,
        store: ArtifactStore,
        clock: Callable[[], float] = time.monotonic,
        trainings: Trainings | None = None,
    ) -> None:
        self._trainings = trainings
        self._hold = hold
        self._store = store
        self._clock = clock
        self._shown_at = -math.inf
        self.outputs: list[Artifact] = []
        self.reading_s = 0.0

    @property
    def job_id(self) -> str:
        """As `Desk.job_id`."""
        return self._hold.claim.job_id

    def picture(self, sha256: str) -> Image.Image:
        """As `Desk.picture`."""
        began = time.monotonic()
        picture = pictures.decode(self._store.get(sha256))
        self.reading_s += time.monotonic() - began
        return picture

    def file(self, sha256: str) -> bytes:
        """As `Desk.file`."""
        began = time.monotonic()
        data = self._store.get(sha256)
        self.reading_s += time.monotonic() - began
        return data

    def keep(self, picture: Image.Image) -> Artifact:
        """As `Desk.keep`."""
        artifact = self._store.put_picture(pictures.encode_png(picture))
        self.outputs.append(artifact)
        return artifact

    def keep_file(self, data: bytes, media_type: str) -> Artifact:
        """As `Desk.keep_file`."""
        artifact = self._store.put_file(data, media_type)
        self.outputs.append(artifact)
        return artifact

    def step(self, step: int, total: int) -> None:
        """As `Desk.step`."""
        self._hold.progress = Progress(step=step, total=total)
        self._hold.check()

    def wants_preview(self) -> bool:
        """As `Desk.wants_preview`."""
        return self._hold.is_watched and self._clock() - self._shown_at >= PREVIEW_EVERY_S

    def preview(self, picture: Image.Image) -> None:
        """As `Desk.preview`."""
        self._shown_at = self._clock()
        jpeg = pictures.encode_small_jpeg(picture, PREVIEW_SIDE)
        self._hold.preview = Preview(jpeg=jpeg, **self._hold.progress.model_dump())

    def saved(self) -> Saved | None:
        """As `Desk.saved`."""
        found = self._trainings.get(self.job_id) if self._trainings else None
        if found is None or found.checkpoint is None:
            return None
        try:
            return Saved(found.curve, self._store.get(found.checkpoint))
        except ArtifactMissing as error:
            LOGGER.warning("Job %s begins anew: %s", self.job_id, error)
            return None

    def save(self, curve: Sequence[Epoch], data: bytes) -> None:
        """As `Desk.save`; where the ledger or the store does not answer, the one before is still good."""
        if self._trainings is None:
            return
        try:
            checkpoint = self._store.put_file(data, "application/octet-stream")
            unneeded = self._trainings.note(*self._hold.attempt, curve, checkpoint)
        except ServiceUnreachable as error:
            LOGGER.warning("Job %s goes on without a checkpoint: %s", self.job_id, error)
            return
        if unneeded is None:
            self._hold.hear(Signal.LOST)
            self._hold.check()
        discard(self._store, unneeded or ())


def discard(store: ArtifactStore, names: Iterable[str]) -> None:
    """Remove files that no job refers to any more; what can't be removed now is left to `brushwork prune`."""
    for name in names:
        try:
            store.remove_if_old(name, 0.0)
        except ServiceUnreachable as error:
            LOGGER.warning("File %s stays in the store: %s", name, error)
