"""Stores a map: a 16-bit grey PNG, and the map in colour over the picture."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.explanations.result import ExplanationMap
from PIL import Image

from brushwork_workers.explanations.overlays import overlay
from brushwork_workers.interface import JobContext

_WHITE = 65535


def saved_map(
    context: JobContext,
    picture: Image.Image,
    values: npt.NDArray[np.floating[Any]],
    label: str,
    *,
    score: float | None = None,
    pair: tuple[Artifact, Artifact] | None = None,
) -> ExplanationMap:
    """Store a map and its overlay as outputs of the job, and return the reference for the result.

    Args:
        context: The context of the job.
        picture: The picture that the map is about.
        values: The map: [height, width] of the picture, finite. If all values are equal, the map is empty.
        label: The class, the word or the answer that the map is about.
        score: The score that the map explains.
        pair: The picture, and the picture with the word changed.
    """
    exact = np.asarray(values, np.float32)
    return ExplanationMap(
        label=label,
        map=context.save_file(grey_png(exact), "image/png"),
        min=float(exact.min()),
        max=float(exact.max()),
        overlay=context.save_picture(overlay(picture, exact), source=None),
        score=score,
        pair=pair,
    )


def grey_png(values: npt.NDArray[np.float32]) -> bytes:
    """Return a map as a 16-bit grey PNG, in which the lowest value is black and the highest is white.

    Args:
        values: The map: [height, width].
    """
    low, high = float(values.min()), float(values.max())
    shares = (values.astype(np.float64) - low) / (high - low) if high > low else np.zeros(values.shape)
    stream = io.BytesIO()
    Image.fromarray(np.round(shares * _WHITE).astype(np.uint16)).save(stream, "PNG")
    return stream.getvalue()
