"""Maps of the words of prompts, measured on pictures of the pocket model in both languages.

python -m tests.explained_words [--count 25] [--seed 5] [--folder FOLDER]

A map should lie on the object that its word names. The objects are found by `tests.pixel_judge`, which knows
nothing of the model. Pictures that do not show what their prompt says are left out, and counted. The prompts
name all attributes: what a prompt leaves free, such as the background, changes with any of its words.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from brushwork_workers.pocket import WEIGHTS
from numpy.typing import NDArray
from PIL import Image

from benchmarks.pocket_cells import WRITERS
from recipes.pocket.scenes.grammar import CHINESE, Description, sample_full
from tests.desks import PlainDesk
from tests.explained import map_values
from tests.pixel_judge import all_right, background_rgb, find_objects, has_shape, judge
from tests.stops import Going

MODEL = "pocket-diffusion"
Mask = NDArray[np.bool_]
_FIGURES = ("pointing", "energy inside", "before or after", "own above other")


@dataclass
class Row:
    """Figures of one sort of word.

    Args:
        pointing: Whether the highest value of a map is inside the object.
        energy: The share of a map that is inside the object.
        before_or_after: The share that is inside the object of the picture or that of the changed picture.
        own_above: Whether the mean inside the object is higher than inside the other one.
    """

    pointing: list[bool] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)
    before_or_after: list[float] = field(default_factory=list)
    own_above: list[bool] = field(default_factory=list)

    def add(self, values: NDArray[np.float64], own: Mask, after: Mask, others: Sequence[Mask]) -> None:
        """Add the map of a word."""
        total = float(values.sum())
        self.pointing.append(bool(own.flat[int(values.argmax())]) and total > 0)
        self.energy.append(float(values[own].sum()) / total if total else 0.0)
        self.before_or_after.append(float(values[own | after].sum()) / total if total else 0.0)
        self.own_above += [bool(values[own].mean() > values[other].mean()) for other in others]

    @property
    def cells(self) -> list[str]:
        """The cells of its row in a table."""
        figures = (self.pointing, self.energy, self.before_or_after, self.own_above)
        return [str(len(self.energy)), *(f"{np.mean(each):.3f}" if each else "" for each in figures)]


@dataclass
class Figures:
    """All rows by language, number of objects and sort of word; and pictures that were left out."""

    rows: dict[tuple[str, int, str], Row] = field(default_factory=lambda: defaultdict(Row))
    left_out: int = 0

    def table(self) -> str:
        """Return the rows as a table."""
        titles = ("language", "objects", "word", "maps", *_FIGURES)
        lines = [titles, ("---",) * len(titles)]
        lines += [(names[0], str(names[1]), names[2], *row.cells) for names, row in self.rows.items()]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measured(count: int, seed: int, folder: Path | None = None, *, most_objects: int = 2) -> Figures:
    """Return the figures of so many prompts for each language and number of objects.

    Args:
        count: Number of prompts.
        seed: Seed of the prompts.
        folder: Where to save pictures, overlays and changed pictures; None to save none.
        most_objects: Most objects of a picture, 1 or 2.
    """
    figures, executor = Figures(), Batcher(64, 2**40, is_cooperative=True)
    try:
        handler = _handler(executor)
        for num_objects in range(1, most_objects + 1):
            rng = np.random.default_rng(seed)
            prompts = [sample_full(num_objects, rng) for _ in range(count)]
            for language, write in WRITERS.items():
                for number, wanted in enumerate(prompts):
                    with executor.job(Going(), model=MODEL):
                        shown = _explained(handler, write(wanted), wanted, language, number)
                    figures.left_out += not shown
                    _add(figures, shown, wanted, language)
                    if folder is not None:
                        _save(folder / f"{language}-{len(wanted.pairs)}-{number}.png", shown)
    finally:
        executor.close()
    return figures


@dataclass(frozen=True)
class _Shown:
    """A map, its sort of word, the object that the word names, and pictures to look at."""

    sort: str
    values: NDArray[np.float64]
    masks: Sequence[Mask]
    owner: int
    pictures: Sequence[Image.Image]


def _handler(executor: Batcher) -> Handler:
    model = Catalogue.load().named(MODEL, "text-to-image")
    spec = LoadSpec(model, WEIGHTS / MODEL, torch.device("cpu"), torch.float32, executor, ("text-to-image",))
    return load(spec).handlers["text-to-image"]


def _words(wanted: Description, language: str) -> Iterator[tuple[str, str, int]]:
    """Yield each word that names one object alone, its sort, and the index of the object."""
    for place, sort in enumerate(("colour", "shape")):
        names = [pair[place] for pair in wanted.pairs]
        for owner, name in enumerate(names):
            if names.count(name) == 1 and name != wanted.background:
                yield (CHINESE[name] if language == "zh" else name), sort, owner


def _explained(
    handler: Handler, prompt: str, wanted: Description, language: str, number: int
) -> list[_Shown]:
    """Return the maps of a prompt; none if its picture does not show what it says."""
    words = list(_words(wanted, language))
    explain = {"method": "words", "words": [word for word, _, _ in words]}
    fields = {"prompt": prompt, "model": MODEL, "seed": 1000 + number, "explain": explain}
    request, desk = admit("text-to-image", fields, Catalogue.load()).request, PlainDesk()
    made = handler.perform(request, desk)
    picture = made["images"][0].pil().convert("RGB")
    masks = _masks(picture, wanted)
    if masks is None:
        return []
    shown = []
    for (_, sort, owner), each in zip(words, made["explanation"].maps, strict=True):
        values = np.asarray(map_values(each, desk.store.get(each.map.sha256)), np.float64)
        pictures = [picture, each.overlay.pil(), each.pair[1].pil()]
        shown.append(_Shown(sort, values, masks, owner, pictures))
    return shown


def _masks(picture: Image.Image, wanted: Description) -> list[Mask] | None:
    if not all_right(judge(picture, wanted)):
        return None
    pixels = np.asarray(picture, np.float64)
    found = find_objects(pixels, background_rgb(pixels))
    own = [
        next((each for each in found if each.colour == colour and has_shape(each, shape)), None)
        for colour, shape in wanted.pairs
    ]
    masks = [each.mask > 0.5 for each in own if each is not None]
    return masks if len(masks) == len(own) else None


def _add(figures: Figures, shown: Sequence[_Shown], wanted: Description, language: str) -> None:
    for each in shown:
        others = [mask for index, mask in enumerate(each.masks) if index != each.owner]
        own, after = each.masks[each.owner], _found(each.pictures[-1])
        after &= ~np.any(others, axis=0) if others else True
        figures.rows[language, len(wanted.pairs), each.sort].add(each.values, own, after, others)


def _found(picture: Image.Image) -> Mask:
    """Return where a picture has objects."""
    pixels = np.asarray(picture.convert("RGB"), np.float64)
    masks = [each.mask > 0.5 for each in find_objects(pixels, background_rgb(pixels))]
    return np.any(masks, axis=0) if masks else np.zeros(pixels.shape[:2], np.bool_)


def _save(path: Path, shown: Sequence[_Shown]) -> None:
    """Save a row for each word: the picture, the map over it, the picture with the word changed."""
    if not shown:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = shown[0].pictures[0].size
    sheet = Image.new("RGB", (3 * width, len(shown) * height))
    for row, each in enumerate(shown):
        for column, picture in enumerate(each.pictures):
            sheet.paste(picture, (column * width, row * height))
    sheet.save(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--count", type=int, default=25, help="prompts for each language and number of objects"
    )
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="save the pictures here")
    chosen = parser.parse_args()
    found = measured(chosen.count, chosen.seed, chosen.folder)
    print(found.table())
    print(f"Left out: {found.left_out} pictures that do not show what their prompt says.")
