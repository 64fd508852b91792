"""The accuracy of the shipped pocket models, measured with library classes.

    python -m benchmarks.pocket_accuracy [--cell 500] [--seeds 2026 2027 2028] [--record] [--sheet FILE]

Every prompt and picture is held out of training (by attributes, not only by seed). Drawn pictures use the
world's full ranges, with colour changes, noise and soft edges; generated ones are judged by their pixels
(`tests/pixel_judge.py`), no learned model. Cells "never" hold only colour and shape pairs never trained on.
A process on each core takes one cell, language and seed after another.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from brushwork_workers.pocket import WEIGHTS

from benchmarks.pocket_cells import CELLS, WRITERS, Figures
from benchmarks.pocket_paintings import Gallery, Painting, paint_cell, seen_shapes
from benchmarks.pocket_reading import (
    confusion,
    measure_captions,
    measure_classes,
    measure_masks,
    name_classes,
)
from benchmarks.pocket_sheet import write_sheet
from benchmarks.pocket_tables import Accuracy, confusion_table, enter_all, figures_table

PAINTINGS = {
    "default": Painting("pocket-diffusion", 12, 2.0),
    "fast": Painting("pocket-diffusion", 8, 2.0),
    "turbo": Painting("pocket-diffusion", 4, 2.0),
}
"""What the catalogue's entries ask for, and the default model at fewer steps."""
_READING = {
    "classes": ("pocket-classifier", "Class right, drawn pictures (%)", measure_classes),
    "masks": ("pocket-segmenter", "Mean intersection over union, drawn pictures (%)", measure_masks),
    "captions": ("pocket-captioner", "Caption exactly right, drawn pictures (%)", measure_captions),
}
"""By what is read: the model, the table's title and what measures it."""


def main() -> None:
    """Measures, prints tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description="Accuracy of the shipped pocket models.")
    parser.add_argument("--cell", type=int, default=500, help="prompts or pictures per cell and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2026, 2027, 2028])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--record", action="store_true", help="write the tables into their pages")
    parser.add_argument("--sheet", type=Path, help="file for a contact sheet of the first pictures (PNG)")
    parser.add_argument(
        "--wrong", type=Path, help="file for a contact sheet of only the wrong pictures (PNG)"
    )
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--only", nargs="+", choices=("reading", *PAINTINGS), help="what to measure")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.record and options.only:
        parser.error("--record enters all tables: leave --only out")
    start = time.monotonic()
    accuracy = Accuracy(options.cell, options.seeds)
    asked = options.only or ("reading", *PAINTINGS)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(options.processes, spawn, torch.set_num_threads, (1,)) as pool:
        if "reading" in asked:
            measure_reading(pool, options, accuracy)
        for name in PAINTINGS:
            if name in asked:
                measure_paintings(pool, name, options, accuracy)
    print(f"\n{time.monotonic() - start:.0f} s, {options.cell} a cell, seeds {options.seeds}")
    if options.json:
        options.json.write_text(json.dumps(accuracy.as_json(), indent=1) + "\n", encoding="utf-8")
    if options.record:
        enter_all(accuracy, weights=options.weights)


def measure_reading(pool: Executor, options: argparse.Namespace, accuracy: Accuracy) -> None:
    """Classes, masks and captions of drawn pictures; means over the seeds."""
    for name, (model, title, measure) in _READING.items():
        task: Callable[[int], Figures] = partial(measure, options.weights / model, options.cell)
        by_seed = list(pool.map(task, options.seeds))
        means = {row: sum(figures[row] for figures in by_seed) / len(by_seed) for row in by_seed[0]}
        accuracy.reading[name] = means
        _show(title, figures_table({name: means}))
    name_all = partial(name_classes, options.weights / "pocket-classifier", CELLS[0], options.cell)
    answers = pool.map(name_all, options.seeds)
    accuracy.classes_seen = confusion([pair for some in answers for pair in some])
    _show("Drawn shape (rows) and its named class", confusion_table(accuracy.classes_seen))


def measure_paintings(pool: Executor, name: str, options: argparse.Namespace, accuracy: Accuracy) -> None:
    """Figures of one way of painting; of the default one its shapes' confusion and the sheets too."""
    painting = PAINTINGS[name]
    rows = [(cell, language) for cell in CELLS for language in WRITERS]
    tasks = [(cell, language, seed) for cell, language in rows for seed in options.seeds]
    paint = partial(paint_cell, options.weights, painting, options.cell)
    made: dict[str, Gallery] = {}
    for (cell, language, _), painted in zip(tasks, pool.map(paint, *zip(*tasks, strict=True)), strict=True):
        made.setdefault(f"{cell.name} {language}", Gallery()).painted += painted
    accuracy.painted[name] = {row: gallery.figures() for row, gallery in made.items()}
    how = f"{painting.model}, {painting.steps} steps, guidance {painting.guidance}"
    _show(f"Generated pictures, {how} (%)", figures_table(accuracy.painted[name]))
    if name == "default":
        everything = [one for gallery in made.values() for one in gallery.painted]
        accuracy.shapes_seen = confusion([pair for one in everything for pair in seen_shapes(one)])
        _show(f"Shape asked for (rows) and seen, {how}", confusion_table(accuracy.shapes_seen))
        _write_sheets(options, made)


def _show(title: str, table: str) -> None:
    print(f"\n{title}\n\n{table}", flush=True)


def _write_sheets(options: argparse.Namespace, made: dict[str, Gallery]) -> None:
    if options.sheet:
        write_sheet([one for gallery in made.values() for one in gallery.painted[:16]], options.sheet)
    if options.wrong:
        wrong = [[one for one in gallery.painted if not one.is_right] for gallery in made.values()]
        write_sheet([one for some in wrong for one in some[:16]], options.wrong)


if __name__ == "__main__":
    main()
