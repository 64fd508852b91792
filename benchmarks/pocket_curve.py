"""Draws the learning curves that the pocket models' recipe keeps.

    python -m benchmarks.pocket_curve [CSV] [PNG] --part denoiser

Without arguments, those of the denoiser that ships.
"""

import argparse
import csv
from pathlib import Path

from benchmarks import plot

_PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
_CELLS = {"one_object": "one object", "two_objects": "two objects"}
_WANTED = {"one object": 95.0, "two objects": 85.0}


def main() -> None:
    """Reads the points and writes the plot."""
    parser = argparse.ArgumentParser(description="Learning curves of the pocket models.")
    parser.add_argument("csv", type=Path, nargs="?", default=_PICTURES / "pocket_curve.csv")
    parser.add_argument("png", type=Path, nargs="?", default=_PICTURES / "pocket_curve.png")
    parser.add_argument("--part", default="denoiser")
    options = parser.parse_args()
    with options.csv.open(newline="", encoding="utf-8") as file:
        points = [row for row in csv.DictReader(file) if row["part"] == options.part]
    if not points:
        parser.error(f"{options.csv} holds no point of {options.part}")
    samples = [int(row["samples"]) for row in points]
    curves = {name: (samples, [100 * float(row[key]) for row in points]) for key, name in _CELLS.items()}
    plot.learning(options.png, curves, _WANTED)
    print(options.png)


if __name__ == "__main__":
    main()
