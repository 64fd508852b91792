"""The accuracy of the pocket models on drawn pictures: classes, masks and captions."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.pocket_cells import CELLS, WRITERS, Cell, Figures, batches, drawn
from benchmarks.pocket_models import Captioner, load_torchvision, prepare
from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import Description, canonical, describe, parse

Confusion = dict[str, dict[str, int]]
"""How often each shape (outer key) was taken for which (inner key)."""


@torch.no_grad()
def name_classes(folder: Path, cell: Cell, count: int, seed: int) -> list[tuple[str, str]]:
    """The shape of each drawn one-object picture and what the classifier names it."""
    model, config = load_torchvision(folder)
    pairs = drawn(cell, count, seed)
    named: list[str] = []
    for part in batches([picture for _, picture in pairs]):
        named += [config["labels"][i] for i in model(prepare(part, config)).argmax(1).tolist()]
    return [(scene.objects[0].shape, name) for (scene, _), name in zip(pairs, named, strict=True)]


def measure_classes(folder: Path, count: int, seed: int) -> Figures:
    """Share of drawn one-object pictures whose shape is named right."""
    ones = [cell for cell in CELLS if cell.num_objects == 1]
    answers = {cell.name: name_classes(folder, cell, count, seed) for cell in ones}
    return {name: float(np.mean([a == b for a, b in rows])) for name, rows in answers.items()}


def confusion(answers: list[tuple[str, str]]) -> Confusion:
    """Counts of what each shape was taken for."""
    table: Confusion = {shape: {} for shape in world.SHAPES}
    for shape, name in answers:
        table[shape][name] = table[shape].get(name, 0) + 1
    return table


@torch.no_grad()
def measure_masks(folder: Path, count: int, seed: int) -> Figures:
    """Mean intersection over union of the nine classes, over all pixels of a cell."""
    model, config = load_torchvision(folder)
    figures = {}
    for cell in CELLS:
        pairs = drawn(cell, count, seed)
        found: list[torch.Tensor] = []
        for part in batches([picture for _, picture in pairs]):
            logits = functional.interpolate(model(prepare(part, config))["out"], (64, 64), mode="area")
            found.append(logits.argmax(1))
        truth = torch.from_numpy(np.stack([world.draw_mask(scene) for scene, _ in pairs])).long()
        figures[cell.name] = mean_overlap(torch.cat(found), truth)
    return figures


def mean_overlap(found: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean intersection over union of the classes that the true masks hold."""
    overlaps = []
    for index in truth.unique().tolist():
        both = ((found == index) & (truth == index)).sum().item()
        overlaps.append(both / ((found == index) | (truth == index)).sum().item())
    return float(np.mean(overlaps))


def measure_captions(folder: Path, count: int, seed: int) -> Figures:
    """Share of drawn pictures whose caption names every attribute right."""
    captioner, figures = Captioner(folder), {}
    for cell in CELLS:
        pairs = drawn(cell, count, seed)
        for language in WRITERS:
            told = captioner.captions([picture for _, picture in pairs], language)
            right = [same(text, describe(s)) for text, (s, _) in zip(told, pairs, strict=True)]
            figures[f"{cell.name} {language}"] = float(np.mean(right))
    return figures


def same(caption: str, description: Description) -> bool:
    """True if a caption says just what is described; a mirrored telling counts as equal."""
    read = parse(caption)
    return read is not None and canonical(read) == canonical(description)
