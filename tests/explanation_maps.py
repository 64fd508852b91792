"""Measures maps of the pocket classifier against masks of drawn pictures: `python -m tests.explanation_maps`.

The pictures are drawn from a seed that no training uses; one object each. For each method it prints

- pointing: the share of the pictures whose highest pixel is on the object, and within 4 pixels of it,
- energy: the share of the map's values that is on the object,
- deletion and insertion: the areas under the two curves of Petsiuk et al. (2018),
- empty: the share of empty maps,
- random: the correlation with the map of a network whose weights are shuffled (Adebayo et al., 2018), over
  the pictures for which that map is not empty: its mean, and the mean of its absolute value; and the share of
  its empty maps.

A blob in the middle of the picture and an edge detector, which know nothing of the network, are beside them.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.explanations.faithfulness import faithfulness
from brushwork_workers.families.classification.torchvision_classifier import load
from brushwork_workers.interface import LoadSpec
from brushwork_workers.pocket import WEIGHTS
from PIL import Image
from safetensors.torch import load_file, save_file

from recipes.pocket.scenes.samples import Sampler, to_pixels
from tests.explained import KeptFiles
from tests.stops import Going

Floats = npt.NDArray[np.float64]
SEED = 20261130
METHODS = ("occlusion", "integrated-gradients", "grad-cam")
NEAR_PX = 4
SHUFFLES = 5
_COLUMNS = ("pointing", f"within {NEAR_PX} px", "energy", "deletion", "insertion", "empty")


@dataclass(frozen=True)
class Drawn:
    """A picture and the pixels of its object."""

    picture: Image.Image
    mask: npt.NDArray[np.bool_]


def drawn_pictures(number: int, seed: int = SEED) -> list[Drawn]:
    """Pictures of one object each: three quarters have noise, soft edges and other colours."""
    batch = Sampler(seed, share_of_two=0.0, varied_share=0.75, masks=True).batch(number)
    pixels = to_pixels(batch.pictures)
    return [Drawn(Image.fromarray(p), m.numpy() > 0) for p, m in zip(pixels, batch.masks, strict=True)]


@dataclass(frozen=True)
class Measured:
    """The figures of one map: exact and near pointing, energy, deletion, insertion, emptiness."""

    figures: tuple[float, ...]
    values: Floats


def map_figures(values: Floats, mask: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Pointing, pointing within `NEAR_PX` pixels, and energy."""
    total = values.sum()
    if total <= 0:
        return 0.0, 0.0, 0.0
    row, column = np.unravel_index(values.argmax(), values.shape)
    rows, columns = np.nonzero(mask)
    distance = np.hypot(rows - row, columns - column).min()
    return float(mask[row, column]), float(distance <= NEAR_PX), float(values[mask].sum() / total)


def blob(size: tuple[int, int]) -> Floats:
    """A blob in the middle: where most pictures have their object."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    squared = ((rows - height / 2) / height) ** 2 + ((columns - width / 2) / width) ** 2
    return np.asarray(np.exp(-squared / (2 * 0.25**2)))


def edges(picture: Image.Image) -> Floats:
    """Sobel's edges, a little blurred."""
    from skimage.filters import gaussian, sobel

    return np.asarray(gaussian(sobel(np.asarray(picture.convert("L"), np.float64)), 1.0))


class Classifier:
    """The pocket classifier, or one with its weights shuffled, behind a batcher."""

    def __init__(self, batcher: Batcher, folder: Path) -> None:
        kinds = ("image-classification",)
        entry = Model(
            name="pocket", family="torchvision-classifier", source=Source(folder=folder), kinds=kinds
        )
        spec = LoadSpec(entry, folder, torch.device("cpu"), torch.float32, batcher, kinds)
        self._batcher = batcher
        self.handler: Any = load(spec).handlers["image-classification"]

    def measured(self, drawn: Drawn, explain: Explain) -> Measured:
        """Explain one picture in a job of its own."""
        request = ImageClassificationRequest(image="0" * 64, model="pocket", explain=explain)
        kept = KeptFiles(drawn.picture)
        with self._batcher.job(Going()):
            found = self.handler.perform(request, kept)["explanation"]
        values = kept.values_of(found.maps[0])
        curves = found.faithfulness
        areas = (curves.deletion, curves.insertion) if curves else (0.0, 0.0)
        empty = float(found.maps[0].min == found.maps[0].max)
        return Measured((*map_figures(values, drawn.mask), *areas, empty), values)

    def best_class(self, picture: Image.Image) -> str:
        """The name of the best class."""
        with self._batcher.job(Going()):
            scores = self.handler._explainable.scores_of(picture)
        return str(self.handler._model.labels[int(scores.argmax())])

    def baseline(self, drawn: Drawn, values: Floats) -> Measured:
        """The figures of a map that knows nothing of the network."""
        scores_of = self.handler._explainable.scores_of
        with self._batcher.job(Going()):
            own = scores_of(drawn.picture)
            target = int(own.argmax())
            curves = faithfulness(
                drawn.picture,
                values.astype(np.float32),
                Explain(method="occlusion"),
                float(own[target]),
                lambda seen: float(scores_of(seen)[target]),
                self._batcher.run_beside,
            )
        return Measured((*map_figures(values, drawn.mask), curves.deletion, curves.insertion, 0.0), values)


def save_shuffled(folder: Path, seed: int) -> Path:
    """A copy of the pocket classifier whose weights are shuffled within each tensor."""
    folder.mkdir()
    own = WEIGHTS / "pocket-classifier"
    (folder / "config.json").write_text((own / "config.json").read_text())
    generator = torch.Generator().manual_seed(seed)
    state = load_file(own / "model.safetensors")
    shuffled = {
        # The statistics of the normalisation stay: they belong to no weight.
        name: value
        if "running_" in name or "num_batches" in name
        else value.flatten()[torch.randperm(value.numel(), generator=generator)].view_as(value)
        for name, value in state.items()
    }
    save_file(shuffled, folder / "model.safetensors")
    return folder


@contextmanager
def classifiers() -> Iterator[tuple[Classifier, list[Classifier]]]:
    """The pocket classifier, and `SHUFFLES` with shuffled weights."""
    batcher = Batcher(64, 10**9, num_threads=torch.get_num_threads())
    try:
        with TemporaryDirectory() as folder:
            shuffled = [
                Classifier(batcher, save_shuffled(Path(folder) / str(seed), seed)) for seed in range(SHUFFLES)
            ]
            yield Classifier(batcher, WEIGHTS / "pocket-classifier"), shuffled
    finally:
        batcher.close()


def correlation(first: Floats, second: Floats) -> float | None:
    """Pearson's correlation of two maps; None if one of them is empty."""
    if first.std() == 0 or second.std() == 0:
        return None
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@dataclass(frozen=True)
class MethodFigures:
    """The means over all pictures.

    Args:
        means: In the order of `_COLUMNS`.
        correlations: With the map of a shuffled network, one for each picture; None if that is empty.
    """

    means: tuple[float, ...]
    correlations: Sequence[float | None] = ()

    @property
    def row(self) -> list[str]:
        known = [each for each in self.correlations if each is not None]
        cells = [f"{each:.3f}" for each in self.means]
        if not self.correlations:
            return [*cells, "", "", ""]
        mean, absolute = (f"{np.mean(v):.2f}" if known else "-" for v in (known, np.abs(known)))
        return [*cells, mean, absolute, f"{1 - len(known) / len(self.correlations):.2f}"]


def figures(number: int, methods: Sequence[str] = METHODS) -> dict[str, MethodFigures]:
    """Measure the methods and what knows nothing of the network, by name."""
    pictures = drawn_pictures(number)
    with classifiers() as (true, shuffled), ThreadPoolExecutor(4) as threads:
        targets = list(threads.map(lambda each: true.best_class(each.picture), pictures))
        found = {}
        for method in methods:
            explain = Explain(method=method, faithfulness=True)  # type: ignore[arg-type]
            measured = list(threads.map(lambda each: true.measured(each, explain), pictures))  # noqa: B023
            random = list(threads.map(_shuffled_map(shuffled, method), pictures, targets, itertools.count()))
            related = [correlation(a.values, b.values) for a, b in zip(measured, random, strict=True)]
            found[method] = MethodFigures(_means(measured), related)
        for name, values_of in (("blob", lambda each: blob(each.size)), ("edges", edges)):
            baseline = list(threads.map(_baseline(true, values_of), pictures))
            found[name] = MethodFigures(_means(baseline))
    return found


def _shuffled_map(shuffled: Sequence[Classifier], method: str) -> Callable[[Drawn, str, int], Measured]:
    def measured(drawn: Drawn, target: str, number: int) -> Measured:
        explain = Explain(method=method, target=target)  # type: ignore[arg-type]
        return shuffled[number % len(shuffled)].measured(drawn, explain)

    return measured


def _baseline(true: Classifier, values_of: Callable[[Any], Floats]) -> Callable[[Drawn], Measured]:
    return lambda drawn: true.baseline(drawn, values_of(drawn.picture))


def _means(measured: Sequence[Measured]) -> tuple[float, ...]:
    return tuple(np.mean([each.figures for each in measured], axis=0).tolist())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    options = parser.parse_args()
    began = time.monotonic()
    found = figures(options.pictures, options.methods)
    heads = ["", *_COLUMNS, "random", "|random|", "random empty"]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for name, each in found.items():
        print(f"| {' | '.join([name, *each.row])} |")
    print(f"\n{options.pictures} pictures, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
