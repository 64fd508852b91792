"""How right a part's answers are while it learns: said in the log and kept for a plot."""

import csv
from pathlib import Path

FILE = "curve.csv"
COLUMNS = ("part", "minutes", "samples", "one_object", "two_objects")


def note(out: Path, part: str, minutes: float, samples: int, shares: tuple[float, float]) -> None:
    """Adds a point to `out / "curve.csv"`, earlier runs' points before it.

    Args:
        out: folder of what is made.
        part: that is trained.
        minutes: spent on it so far.
        samples: that it has seen so far, by all processes.
        shares: right answers on held-out descriptions of one object and of two, 0 to 1.
    """
    one, two = shares
    print(f"{part}: {samples} samples: one object {one:.3f}, two {two:.3f} right", flush=True)
    file = out / FILE
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerow([part, f"{minutes:.1f}", samples, f"{one:.4f}", f"{two:.4f}"])
