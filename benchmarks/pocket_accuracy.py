"""How often the pocket models are right, measured on the shipped weights with stock classes.

    python -m benchmarks.pocket_accuracy [--cell 500] [--seeds 2026 2027 2028] [--json FILE] [--sheet FILE]

Every prompt and picture is held out of training (by attributes, not only by seed). Drawn pictures use the
world's full ranges, with colour changes, noise and soft edges; generated ones are judged by their pixels
(`tests/pixel_judge.py`), no learned model. Cells "never" hold only colour and shape pairs never trained on.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from brushwork_workers.pocket import WEIGHTS, world

from benchmarks.pocket_cells import CELLS, WRITERS, Figures
from benchmarks.pocket_models import Captioner
from benchmarks.pocket_paintings import Gallery, Painted, Painting, gallery, load, seen_shapes
from benchmarks.pocket_reading import (
    Confusion,
    confusion,
    measure_captions,
    measure_classes,
    measure_masks,
    name_classes,
)
from benchmarks.pocket_sheet import write_sheet

PAINTINGS = {
    "default": Painting("pocket-diffusion", 12, 2.0),
    "fast": Painting("pocket-diffusion", 8, 2.0),
    "turbo": Painting("pocket-diffusion", 4, 2.0),
}
"""What the catalogue's entries ask for, and the default model at fewer steps."""


def show(title: str, rows: dict[str, Figures]) -> None:
    """Prints figures as a table of percentages, one row a cell."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, row in rows.items():
        entries = [f"{100 * row[key]:.1f}" if key in row else "" for key in columns]
        print(f"| {name} | {' | '.join(entries)} |", flush=True)


def show_confusion(title: str, table: Confusion) -> None:
    """Prints counts, one row a true shape."""
    columns = [*world.SHAPES, *(["none"] if any("none" in row for row in table.values()) else [])]
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for shape, row in table.items():
        print(f"| {shape} | {' | '.join(str(row.get(name, '')) for name in columns)} |", flush=True)


def main() -> None:
    """Measures, prints tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description="Accuracy of the shipped pocket models.")
    parser.add_argument("--cell", type=int, default=500, help="prompts or pictures a cell and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2026, 2027, 2028])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--sheet", type=Path, help="file for a contact sheet of the first pictures (PNG)")
    parser.add_argument("--wrong", type=Path, help="file for a contact sheet of wrong pictures alone (PNG)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--only", nargs="+", choices=("reading", *PAINTINGS), help="what to measure")
    options = parser.parse_args()
    start = time.monotonic()
    figures: dict[str, Any] = {}
    asked = options.only or ("reading", *PAINTINGS)
    if "reading" in asked:
        figures |= measure_reading(options)
    for name in PAINTINGS:
        if name in asked:
            figures[name] = measure_paintings(name, options)
    print(f"\n{time.monotonic() - start:.0f} s, {options.cell} a cell, seeds {options.seeds}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure_reading(options: argparse.Namespace) -> dict[str, Any]:
    """Classes, masks and captions of drawn pictures, of the first seed."""
    folder, count, seed = options.weights, options.cell, options.seeds[0]
    figures: dict[str, Any] = {"class": measure_classes(folder / "pocket-classifier", count, seed)}
    show("Class right, drawn pictures (%)", {"classes": figures["class"]})
    answers = name_classes(folder / "pocket-classifier", CELLS[0], count, seed)
    show_confusion("Drawn shape (rows) and its named class", confusion(answers))
    figures["masks"] = measure_masks(folder / "pocket-segmenter", count, seed)
    show("Mean intersection over union of masks, drawn pictures (%)", {"masks": figures["masks"]})
    captioner = Captioner(folder / "pocket-captioner")
    figures["captions"] = measure_captions(captioner, count, seed)
    show("Caption exactly right, drawn pictures (%)", {"captions": figures["captions"]})
    return figures


def measure_paintings(name: str, options: argparse.Namespace) -> dict[str, Figures]:
    """Figures of one way of painting, its shapes' confusion, and the sheets of the default one."""
    painting = PAINTINGS[name]
    pipeline = load(options.weights / painting.model)
    captioner = Captioner(options.weights / "pocket-captioner")
    made: dict[str, Gallery] = {}
    for cell in CELLS:
        for language in WRITERS:
            made[f"{cell.name} {language}"] = gallery(
                pipeline, captioner, painting, cell, language, options.cell, options.seeds
            )
    figures = {row: pictures.figures() for row, pictures in made.items()}
    how = f"{painting.model}, {painting.steps} steps, guidance {painting.guidance}"
    show(f"Generated pictures, {how} (%)", figures)
    if name == "default":
        everything = [one for pictures in made.values() for one in pictures.painted]
        _write_sheets(options, made, everything)
        seen = [pair for one in everything for pair in seen_shapes(one)]
        show_confusion(f"Shape asked for (rows) and seen, {how}", confusion(seen))
    return figures


def _write_sheets(options: argparse.Namespace, made: dict[str, Gallery], everything: list[Painted]) -> None:
    if options.sheet:
        write_sheet([one for pictures in made.values() for one in pictures.painted[:16]], options.sheet)
    if options.wrong:
        write_sheet([one for one in everything if not one.is_right][:96], options.wrong)


if __name__ == "__main__":
    main()
