"""What a running job may use: pictures in, pictures out, word of its progress, and the wish to stop."""

import math
import time
from collections.abc import Callable
from typing import Protocol

from brushwork_schemas import pictures
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from PIL import Image

from brushwork_workers.hold import Hold

PREVIEW_EVERY_S = 1.0
PREVIEW_SIDE = 256


class Desk(Protocol):
    """What a kind of job sees of the system around it."""

    def picture(self, sha256: str) -> Image.Image:
        """The input of that name, RGB.

        Raises:
            ArtifactMissing: It is not in the store.
            InvalidImage: It is no picture, or too large.
        """
        ...

    def file(self, sha256: str) -> bytes:
        """The input of that name, as it was given.

        Raises:
            ArtifactMissing: It is not in the store.
        """
        ...

    def keep(self, picture: Image.Image) -> Artifact:
        """Store a picture as a PNG output."""
        ...

    def keep_file(self, data: bytes, media_type: str) -> Artifact:
        """Store an output that is no picture."""
        ...

    def step(self, step: int, total: int) -> None:
        """Say that `step` of `total` steps are done.

        Raises:
            JobStopped: The job was canceled or its lease is lost; leave it.
        """
        ...

    def wants_preview(self) -> bool:
        """Whether `preview` would be looked at: somebody asked for one, and the last is a second old."""
        ...

    def preview(self, picture: Image.Image) -> None:
        """Show what there is so far, as a small JPEG of that moment's step."""
        ...


class JobDesk:
    """The desk of one attempt.

    Args:
        hold: The attempt; the intercom carries to the ledger what is noted there.
        store: Holds the pictures.
        clock: Gives seconds that only grow.
    """

    def __init__(self, hold: Hold, store: ArtifactStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._hold = hold
        self._store = store
        self._clock = clock
        self._shown_at = -math.inf
        self.outputs: list[Artifact] = []
        self.reading_s = 0.0

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
