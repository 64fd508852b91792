"""Whether explanations of segmentations and captions agree with drawn pictures, whose objects are known.

    python -m tests.explained_readings [--pictures 50] [--seed 2026] [--json FILE]

The pocket models read held-out scenes with one and with two objects, with changed colours, noise and soft
edges. Figures:

- segmentation: the area under the ROC curve with which the maps find the pixels of a wrong class, over all
  pixels of all pictures;
- captions: the share of a word's map that lies inside the object that the word is about, as a mean over the
  colour words and over the shape words. Only words count that are right and that the caption has once. An
  empty map counts as 0. The share of the object in the picture is what a map without any information has.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.explanations.result import Explanation, ExplanationMap
from brushwork_schemas.kinds.registry import kind_named
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import Handler, LoadSpec
from brushwork_workers.pocket import WEIGHTS
from PIL import Image

from benchmarks.pocket_cells import CELLS, Cell, drawn
from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import CHINESE
from tests.desks import PlainDesk
from tests.stops import Going

SIDE = 64
LANGUAGES = ("en", "zh")
Floats = npt.NDArray[np.float64]


def values_of(found: ExplanationMap) -> Floats:
    """The values of a stored map."""
    grey = np.asarray(found.map.pil(), np.float64)
    return found.min + (found.max - found.min) * grey / 65535


def area_under_roc(scores: Floats, is_wrong: npt.NDArray[np.bool_]) -> float:
    """The probability that a wrong pixel has a higher score than a right one; equal scores count half."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    num_wrong = int(is_wrong.sum())
    above = ranks[is_wrong].sum() - num_wrong * (num_wrong + 1) / 2
    return float(above / (num_wrong * (len(scores) - num_wrong)))


@dataclass(frozen=True)
class Reader:
    """A pocket model in a batcher, as a worker has it."""

    kind: str
    handler: Handler
    batcher: Batcher

    def explanation(self, picture: Image.Image, **fields: Any) -> tuple[dict[str, Any], Explanation]:
        """The result of a job about a picture, and its explanation."""
        context = PlainDesk()
        request = kind_named(self.kind).request_type.model_validate(
            {"image": context.give(picture), **fields}
        )
        with self.batcher.job(Going()):
            made = self.handler.perform(request, context)
        return made, made["explanation"]


@contextmanager
def reading(kind: str, name: str, family: str) -> Iterator[Reader]:
    """Load a pocket model."""
    batcher = Batcher(64, 2**26)
    folder = WEIGHTS / name
    model = Model(name=name, family=family, source=Source(folder=folder))
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, batcher, (kind,))
    try:
        yield Reader(kind, Loaders()[family](spec).handlers[kind], batcher)
    finally:
        batcher.close()


def wrong_pixels(cells: Sequence[Cell], number: int, seed: int) -> Mapping[str, float]:
    """How well confidence and entropy find the pixels whose class is wrong."""
    maps, wrong = defaultdict(list), []
    with reading("image-segmentation", "pocket-segmenter", "torchvision-segmenter") as reader:
        for scene, picture in (pair for cell in cells for pair in drawn(cell, number, seed)):
            made, explanation = reader.explanation(picture, explain={"method": "confidence"})
            wrong.append(np.asarray(made["mask"].pil()) != world.draw_mask(scene, SIDE))
            for each in explanation.maps:
                maps[each.label].append(values_of(each))
    is_wrong = np.stack(wrong).ravel()
    return {
        "pixels": float(is_wrong.size),
        "wrong": float(is_wrong.mean()),
        "entropy AUROC": area_under_roc(np.stack(maps["entropy"]).ravel(), is_wrong),
        "confidence AUROC": area_under_roc(-np.stack(maps["confidence"]).ravel(), is_wrong),
    }


@dataclass(frozen=True)
class WordMap:
    """How much of the map of a word lies inside its object, and how much of the picture the object is."""

    sort: str
    inside: float
    area: float
    is_empty: bool


def word_maps(reader: Reader, scene: world.Scene, picture: Image.Image, language: str) -> Iterator[WordMap]:
    """The maps of the words of one caption that are right and about one object."""
    _, explanation = reader.explanation(picture, language=language, explain={"method": "tokens"})
    maps = {each.label: values_of(each) for each in explanation.maps}
    texts = [token.text for token in explanation.tokens]
    for item in scene.objects:
        mask = world.coverage(item, SIDE) >= 0.5
        for sort, name in (("colour", item.colour), ("shape", item.shape)):
            word = CHINESE[name] if language == "zh" else name
            if texts.count(word) == 1 and word in maps:
                total = float(maps[word].sum())
                inside = float(maps[word][mask].sum()) / total if total else 0.0
                yield WordMap(sort, inside, float(mask.mean()), is_empty=not total)


def words_inside(
    cells: Sequence[Cell], number: int, seed: int, languages: Sequence[str] = LANGUAGES
) -> Mapping[str, Any]:
    """The means over the words, by number of objects, language and sort of the word."""
    found: defaultdict[str, list[WordMap]] = defaultdict(list)
    with reading("image-to-text", "pocket-captioner", "vision-encoder-decoder") as reader:
        for cell in cells:
            for scene, picture in drawn(cell, number, seed):
                for language in languages:
                    for each in word_maps(reader, scene, picture, language):
                        found[f"{cell.name} {language} {each.sort}"].append(each)
    return {
        name: {
            "words": len(maps),
            "inside": float(np.mean([each.inside for each in maps])),
            "area": float(np.mean([each.area for each in maps])),
            "empty": sum(each.is_empty for each in maps),
        }
        for name, maps in found.items()
    }


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description="Explanations of readings of drawn pictures.")
    parser.add_argument("--pictures", type=int, default=50, help="pictures of each number of objects")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    start, cells = time.monotonic(), CELLS[:2]
    figures = {
        "segmentation": wrong_pixels(cells, options.pictures, options.seed),
        "captions": words_inside(cells, options.pictures, options.seed),
    }
    for name, value in figures["segmentation"].items():
        print(f"segmentation, {name}: {value:.4g}")
    print("\n| objects, language, word | words | inside its object | area of the object | empty maps |")
    print("|---|---|---|---|---|")
    for name, row in figures["captions"].items():
        print(f"| {name} | {row['words']} | {row['inside']:.2f} | {row['area']:.2f} | {row['empty']} |")
    print(f"\n{time.monotonic() - start:.0f} s, {options.pictures} pictures a row, seed {options.seed}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
