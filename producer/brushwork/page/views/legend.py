"""The legend of a mask: each class that occurs, its colour in the mask, and its share of the picture."""

import io
from dataclasses import dataclass

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.errors import ArtifactMissing
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult
from PIL import Image


@dataclass(frozen=True)
class LegendEntry:
    """One class; `colour` as in `#80ff00`."""

    label: str
    colour: str
    share: float


def legend(result: ImageSegmentationResult, store: ArtifactStore) -> list[LegendEntry]:
    """The classes of a result, largest first."""
    colours = _palette(store, result.mask.sha256)
    places = {label: index for index, label in enumerate(result.labels)}
    entries = [
        LegendEntry(label, colours.get(places.get(label, -1), "#000000"), share)
        for label, share in result.areas.items()
    ]
    return sorted(entries, key=lambda entry: -entry.share)


def _palette(store: ArtifactStore, sha256: str) -> dict[int, str]:
    """The mask's own colours, so that the legend is right whoever made it."""
    try:
        with Image.open(io.BytesIO(store.get(sha256)), formats=["PNG"]) as mask:
            flat = mask.getpalette("RGB") or []
    except ArtifactMissing:
        return {}
    return {
        index: "#{:02x}{:02x}{:02x}".format(*flat[3 * index : 3 * index + 3])
        for index in range(len(flat) // 3)
    }
