"""The learning curve of a part: its accuracy during training, in the log and in a CSV file for plots."""

import csv
from pathlib import Path

FILE = "curve.csv"
COLUMNS = ("part", "minutes", "samples", "one_object", "two_objects")


def note(out: Path, part: str, minutes: float, samples: int, shares: tuple[float, float]) -> None:
    """Append a point to `out / "curve.csv"`.

    Args:
        out: The output folder.
        part: The part in training.
        minutes: The training time of the part so far.
        samples: The samples that all processes have used so far.
        shares: The accuracy on held-out descriptions of one object and of two, 0 to 1.
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
