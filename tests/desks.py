"""A desk without a system around it, for performers under test."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media import pictures
from brushwork_schemas.artifact import Artifact, DigitalSource
from brushwork_schemas.warnings import ResultWarning
from brushwork_workers.interface import SavedCheckpoint
from PIL import Image


class PlainDesk:
    """Keeps pictures in memory, steps and previews in lists; `on_step` may raise."""

    def __init__(self, on_step: Callable[[int, int], None] | None = None, *, watched: bool = False) -> None:
        self.store = ArtifactStore("memory:///")
        self.steps: list[tuple[int, int]] = []
        self._on_step = on_step
        self.watched = watched
        self.previews: list[Image.Image] = []
        self.kept: SavedCheckpoint | None = None
        self.on_save: Callable[[], None] | None = None
        self.warnings: list[ResultWarning] = []
        self.denoised: tuple[int, int] | None = None

    def give(self, picture: Image.Image) -> str:
        return self.store.put(pictures.encode_png(picture))

    def picture(self, sha256: str) -> Image.Image:
        return pictures.decode(self.store.get(sha256))

    def mask(self, sha256: str) -> Image.Image:
        return pictures.decode(self.store.get(sha256), background="black").convert("L")

    def file(self, sha256: str) -> bytes:
        return self.store.get(sha256)

    def save_file(self, data: bytes, media_type: str) -> Artifact:
        artifact = self.store.put_file(data, media_type)
        artifact.bind(self.store)
        return artifact

    def save_picture(
        self,
        picture: Image.Image,
        *,
        source: DigitalSource | Literal["kind"] | None = "kind",
        seed: int | None = None,
        changed: Mapping[str, Any] | None = None,
    ) -> Artifact:
        artifact = self.store.put_picture(pictures.encode_png(picture))
        artifact.bind(self.store)
        return artifact

    def warn(self, warning: ResultWarning) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def denoiser_calls(self, computed: int, skipped: int) -> None:
        self.denoised = computed, skipped

    def progress(self, step: int, total: int) -> None:
        self.steps.append((step, total))
        if self._on_step:
            self._on_step(step, total)

    @property
    def job_id(self) -> str:
        return "job-1"

    def checkpoint(self) -> SavedCheckpoint | None:
        return self.kept

    def check_stop(self) -> None:
        return

    def save_checkpoint(self, data: bytes, summary: Any) -> None:
        # As the ledger does: what comes back is what JSON makes of it.
        self.kept = SavedCheckpoint(data, json.loads(json.dumps(summary)))
        if self.on_save:
            self.on_save()

    def wants_preview(self) -> bool:
        return self.watched

    def show_preview(self, picture: Image.Image) -> None:
        self.previews.append(picture)
