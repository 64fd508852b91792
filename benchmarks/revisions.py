"""Two revisions of brushwork in turns on one machine: what a change did to the speed.

python -m benchmarks.revisions BEFORE [--pairs 4] [--benchmarks empty_job text_to_image]

Each revision is installed from its own wheel into an environment of its own, and runs its own benchmark. The
order of the two changes from pair to pair, so that other load on the machine meets both.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fresh_environment import ROOT, CommandFailed, Environment
from tests.structure.rooms import checked_out

# What is measured, and with which options: without peers, and short enough for several pairs.
BENCHMARKS = {
    "empty_job": (
        "--no-postgres",
        "--jobs",
        "1000",
        "--one-by-one",
        "100",
        "--rounds",
        "3",
        "--workers",
        "2",
    ),
    "text_to_image": ("--jobs", "64", "--steps", "12", "--rounds", "5", "--workers", "2"),
}

# How often a benchmark that aborts is started.
ATTEMPTS = 3


@dataclass(frozen=True)
class Revision:
    """A revision that is installed.

    Args:
        name: Name in the table.
        checkout: Folder of its files.
        environment: Environment with its wheel.
    """

    name: str
    checkout: Path
    environment: Environment

    @classmethod
    def installed(cls, name: str, checkout: Path, folder: Path) -> "Revision":
        """Build and install a checkout."""
        return cls(name, checkout, Environment.made(folder / f"{name}-environment", checkout))

    def jobs_per_s(self, benchmark: str, folder: Path) -> float:
        """Run a benchmark and return the median rate of its fastest configuration, in jobs per second."""
        page = folder / "benchmarks.md"
        shutil.copy(self.checkout / "docs" / "benchmarks.md", page)
        options = ("--peers", "none", "--out", str(folder), "--page", str(page), *BENCHMARKS[benchmark])
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.environment.run("-m", f"benchmarks.{benchmark}", *options, cwd=self.checkout)
                break
            except CommandFailed:
                # An older revision's benchmark may lose a race against one of its own processes.
                if attempt == ATTEMPTS:
                    raise
                print(f"{benchmark} {self.name}: aborted, and is repeated", flush=True)
        rows = json.loads((folder / f"{benchmark}.json").read_text("utf-8"))["rows"]
        own = [row["per_s"] for row in rows if row["contestant"].startswith("brushwork")]
        return float(max(own))


def compare(revisions: Sequence[Revision], benchmark: str, pairs: int, folder: Path) -> None:
    """Run a benchmark in turns and print the rates and their ratio."""
    rates: dict[str, list[float]] = {revision.name: [] for revision in revisions}
    for number in range(pairs):
        for revision in revisions if number % 2 == 0 else reversed(revisions):
            rate = revision.jobs_per_s(benchmark, folder)
            rates[revision.name].append(rate)
            print(f"{benchmark} {number + 1} {revision.name}: {rate:.1f} jobs/s", flush=True)
    before, after = rates.values()
    ratios = [new / old for old, new in zip(before, after, strict=True)]
    print(
        f"{benchmark}: before {statistics.median(before):.1f}, after {statistics.median(after):.1f} jobs/s; "
        f"ratio: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}",
        flush=True,
    )


def main(arguments: list[str]) -> None:
    """Compare this checkout with a revision."""
    parser = argparse.ArgumentParser("python -m benchmarks.revisions", description=__doc__)
    parser.add_argument("before", help="the revision to compare with")
    parser.add_argument("--pairs", type=int, default=4, help="runs of each revision")
    parser.add_argument("--benchmarks", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="brushwork-revisions-") as temporary:
        folder = Path(temporary)
        source = folder / "before"
        source.mkdir()
        revisions = (
            Revision.installed("before", checked_out(options.before, source), folder),
            Revision.installed("after", ROOT, folder),
        )
        for benchmark in options.benchmarks:
            compare(revisions, benchmark, options.pairs, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
