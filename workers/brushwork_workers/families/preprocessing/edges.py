"""Edges of a picture by the method of Canny (1986)."""

from typing import Any

import numpy as np
from brushwork_schemas.kinds.image_preprocessing import ImagePreprocessingRequest
from PIL import Image
from skimage.feature import canny

from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Return the handler. There are no weights."""
    return LoadedModules({"image-preprocessing": CannyEdges()})


class CannyEdges:
    """Handles image preprocessing with Canny's edges."""

    def warm_up(self) -> None:
        """Find the edges of a black picture."""
        edges(Image.new("RGB", (64, 64)), 100, 200)

    def perform(self, request: ImagePreprocessingRequest, context: JobContext) -> dict[str, Any]:
        """Find the edges of one picture."""
        picture = context.picture(request.image)
        context.check_stop()
        found = edges(picture, request.low_threshold or 0, request.high_threshold or 0)
        return {"image": context.save_picture(found, source=None)}


def edges(picture: Image.Image, low_threshold: int, high_threshold: int) -> Image.Image:
    """Return the edges of a picture: white on black.

    The picture is not smoothed, and thresholds are those of the gradient that Sobel's filter gives for 8-bit
    grey values. So 100 and 200 mean what they mean for OpenCV's `Canny` with `L2gradient`, with which the
    ControlNets for edges were trained.

    Args:
        picture: The picture.
        low_threshold: Weaker edges are left out.
        high_threshold: An edge must be at least this strong somewhere.
    """
    grey = np.asarray(picture.convert("L"))
    found = canny(grey, sigma=0, low_threshold=low_threshold, high_threshold=high_threshold)
    return Image.fromarray((found * np.uint8(255)).astype(np.uint8)).convert("RGB")
