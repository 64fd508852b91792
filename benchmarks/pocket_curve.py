"""Plot the learning curves of the training recipe of the pocket models, one panel per part.

    python -m benchmarks.pocket_curve [CSV] [PNG]

Without arguments it plots the curves of the shipped models.
"""

import argparse
import csv
from pathlib import Path

from benchmarks import plot, report

_PICTURES = report.DOCS / "pictures"
_CELLS = {"one_object": "one object", "two_objects": "two objects"}


def main() -> None:
    """Reads the points and writes the plot."""
    parser = argparse.ArgumentParser(description="Learning curves of the pocket models.")
    parser.add_argument("csv", type=Path, nargs="?", default=_PICTURES / "pocket_curve.csv")
    parser.add_argument(
        "png", type=Path, nargs="?", help="output file; by default the name of the CSV file with .png"
    )
    options = parser.parse_args()
    if not options.csv.is_file():
        parser.error(f"{options.csv}: there is no such file")
    png = options.png or options.csv.with_suffix(".png")
    with options.csv.open(newline="", encoding="utf-8") as file:
        points = list(csv.DictReader(file))
    if not points:
        parser.error(f"{options.csv} holds no points")
    panels: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for row in points:
        curves = panels.setdefault(row["part"], {name: ([], []) for name in _CELLS.values()})
        for key, name in _CELLS.items():
            curves[name][0].append(int(row["samples"]))
            curves[name][1].append(100 * float(row[key]))
    plot.learning(png, panels)
    print(png)


if __name__ == "__main__":
    main()
