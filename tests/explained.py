"""Handlers that explain, without a worker: a context that keeps what it is given."""

import hashlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.explanations.result import ExplanationMap
from PIL import Image


class KeptFiles:
    """The part of `JobContext` that explanations use.

    Args:
        picture: The input picture of the job.
    """

    def __init__(self, picture: Image.Image) -> None:
        self._picture = picture
        self.files: dict[str, bytes] = {}
        self.steps: list[tuple[int, int]] = []
        self.warnings: list[Any] = []

    def picture(self, sha256: str) -> Image.Image:
        return self._picture

    def save_file(self, data: bytes, media_type: str) -> Artifact:
        name = hashlib.sha256(data).hexdigest()
        self.files[name] = data
        return Artifact(sha256=name, media_type=media_type, size_bytes=len(data))

    def save_picture(self, picture: Image.Image, *, source: Any = "kind", seed: Any = None) -> Artifact:
        assert source is None, "a map is a finding"
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        return self.save_file(stream.getvalue(), "image/png")

    def progress(self, step: int, total: int) -> None:
        self.steps.append((step, total))

    def warn(self, warning: Any) -> None:
        self.warnings.append(warning)

    def values_of(self, stored: ExplanationMap) -> npt.NDArray[np.float64]:
        """A map as its documentation says how to read it."""
        return map_values(stored, self.files[stored.map.sha256])


def map_values(stored: ExplanationMap, file: bytes) -> npt.NDArray[np.float64]:
    """The values of a map from its file: [height, width]."""
    with Image.open(io.BytesIO(file)) as grey:
        assert grey.mode == "I;16"
        pixels = np.asarray(grey, np.float64)
    return stored.min + (stored.max - stored.min) * pixels / 65535
