"""Draws maps of a real ImageNet network: `python -m tests.explained_photographs docs/pictures`.

The network is EfficientNet-Lite0, the photographs are those of scikit-image. Each file shows a photograph and
its maps by occlusion, integrated gradients and Grad-CAM, in this order.
"""

import argparse
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.families.classification.transformers_classifier import load
from brushwork_workers.interface import LoadSpec
from PIL import Image

from tests.explained import KeptFiles
from tests.imagenet_network import photographs, save_network
from tests.stops import Going

PHOTOGRAPHS = ("chelsea.png", "coffee.png", "motorcycle_left.png")
METHODS = ("occlusion", "integrated-gradients", "grad-cam")
_HEIGHT = 240
_KIND = "image-classification"


def explained(handler: Any, batcher: Batcher, picture: Image.Image, method: str) -> tuple[Explanation, bytes]:
    """Explain the best class of a photograph; also the file of the overlay."""
    kept = KeptFiles(picture)
    explain = Explain(method=method, faithfulness=True)  # type: ignore[arg-type]
    with batcher.job(Going()):
        request = ImageClassificationRequest(image="0" * 64, model="lite0", explain=explain)
        found = handler.perform(request, kept)["explanation"]
    return found, kept.files[found.maps[0].overlay.sha256]


def sheet(handler: Any, batcher: Batcher, name: str, picture: Image.Image) -> Image.Image:
    """A photograph and its maps, side by side."""
    row = [picture]
    for method in METHODS:
        found, overlay = explained(handler, batcher, picture, method)
        row.append(Image.open(io.BytesIO(overlay)))
        curves, best = found.faithfulness, found.maps[0]
        assert curves is not None
        areas = f"deletion {curves.deletion:.2f}, insertion {curves.insertion:.2f}"
        print(f"{name}: {best.label.split(',')[0]} {best.score:.2f}, {method}: {areas}")
    width = round(picture.width * _HEIGHT / picture.height)
    joined = Image.new("RGB", (width * len(row), _HEIGHT))
    for index, each in enumerate(row):
        joined.paste(each.resize((width, _HEIGHT)), (index * width, 0))
    return joined


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    pictures, batcher = photographs(), Batcher(32, 10**9)
    try:
        with TemporaryDirectory() as temporary:
            network = save_network(Path(temporary) / "lite0")
            entry = Model(
                name="lite0", family="image-classifier", source=Source(folder=network), kinds=(_KIND,)
            )
            given = LoadSpec(entry, network, torch.device("cpu"), torch.float32, batcher, (_KIND,))
            handler = load(given).handlers[_KIND]
            for name in PHOTOGRAPHS:
                drawn = sheet(handler, batcher, name, pictures[name])
                file = folder / f"explained-{Path(name).stem.split('_')[0]}.png"
                drawn.quantize(256).save(file, optimize=True)
    finally:
        batcher.close()


if __name__ == "__main__":
    main()
