"""The legend of a mask: the classes that occur, their colours and their shares of the picture."""

import io
from dataclasses import dataclass

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.errors import ArtifactMissing
from brushwork_schemas.kinds.view import Legend
from PIL import Image


@dataclass(frozen=True)
class LegendEntry:
    """A class of a mask.

    Args:
        label: Name of the class.
        colour: Colour in the mask, such as `#80ff00`.
        share: Share of the picture, 0 to 1.
    """

    label: str
    colour: str
    share: float


def legend_entries(legend: Legend, store: ArtifactStore) -> list[LegendEntry]:
    """Return the classes that occur, largest first."""
    colours = _palette(store, legend.mask.sha256)
    places = {label: index for index, label in enumerate(legend.labels)}
    entries = [
        LegendEntry(label, colours.get(places.get(label, -1), "#000000"), share)
        for label, share in legend.areas.items()
    ]
    return sorted(entries, key=lambda entry: -entry.share)


def _palette(store: ArtifactStore, sha256: str) -> dict[int, str]:
    """Return the colours of the mask's own palette, so that the legend fits every mask."""
    try:
        with Image.open(io.BytesIO(store.get(sha256)), formats=["PNG"]) as mask:
            flat = mask.getpalette("RGB") or []
    except (ArtifactMissing, OSError):
        return {}
    return {
        index: "#{:02x}{:02x}{:02x}".format(*flat[3 * index : 3 * index + 3])
        for index in range(len(flat) // 3)
    }
