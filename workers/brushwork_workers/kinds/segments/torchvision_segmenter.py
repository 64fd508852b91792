"""A class for each pixel of a picture."""

from typing import Any

import numpy as np
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.requests import ImageSegmentationRequest
from PIL import Image
from torch.nn import functional

from brushwork_workers.desk import Desk
from brushwork_workers.kinds.torchvision_model import TorchvisionModel
from brushwork_workers.served import Loaded, Place

OVERLAY_SHARE = 0.55


def load(place: Place) -> Loaded:
    """The model, for its one kind."""
    performer = ImageSegmentation(place)
    return Loaded({"image-segmentation": performer}, [performer._model.network])


class ImageSegmentation:
    """A loaded segmentation net whose class 0 is the background.

    Args:
        place: Which model, from where, onto what.
    """

    def __init__(self, place: Place) -> None:
        self._model = TorchvisionModel.load(place)
        self._network = self._model.through(place.calls, place.terms)

    def warm_up(self) -> None:
        """Segment a black picture."""
        self._classes(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageSegmentationRequest, desk: Desk) -> dict[str, Any]:
        """Mask, areas and, where asked for, the overlay of one picture."""
        picture = desk.picture(request.image)
        classes = self._classes(picture)
        mask = _mask(classes)
        overlay: Artifact | None = desk.keep(_overlay(picture, mask)) if request.overlay else None
        return {
            "mask": desk.keep(mask),
            "overlay": overlay,
            "labels": self._model.labels,
            "areas": self._areas(classes),
        }

    def _classes(self, picture: Image.Image) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        """The index of the best class for each pixel: [height, width], at the picture's own size."""
        logits = self._network(self._model.tensor(picture))["out"].float().cpu()
        size = (picture.height, picture.width)
        full = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        indices: np.ndarray[tuple[int, int], np.dtype[np.uint8]] = full[0].argmax(0).numpy().astype(np.uint8)
        return indices

    def _areas(self, classes: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> dict[str, float]:
        counts = np.bincount(classes.ravel(), minlength=len(self._model.labels))
        return {
            label: int(count) / classes.size
            for label, count in zip(self._model.labels, counts, strict=True)
            if count
        }


def palette(num_classes: int) -> list[int]:
    """Colours well apart for any number of classes, as flat RGB; class 0 is black.

    The bits of the class index are dealt to the three channels from the highest down, as in the colour map
    of PASCAL VOC (Everingham et al., 2010).
    """
    colours = []
    for index in range(num_classes):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
        colours += channels
    return colours


def _mask(classes: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Image.Image:
    mask = Image.fromarray(classes).convert("L")
    mask.putpalette(palette(256))
    return mask


def _overlay(picture: Image.Image, mask: Image.Image) -> Image.Image:
    coloured = Image.blend(picture, mask.convert("RGB"), OVERLAY_SHARE)
    is_object = mask.point([0] + [255] * 255, "L")
    return Image.composite(coloured, picture, is_object)
