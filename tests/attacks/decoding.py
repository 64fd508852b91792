"""What hostile pictures and archives cost: `python -m tests.attacks.decoding` prints the table.

Each file is read in a process of its own, which is forked for it: CPU time is that of reading alone, and a
file that ends the process is seen. `--number 20` takes fewer files of each sort, `--each` prints each file.
"""

import argparse
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from brushwork_core.media import pictures
from brushwork_core.media.dataset import Dataset
from brushwork_core.media.pictures import Reading
from brushwork_schemas.errors import RequestError

from tests.attacks.hostile.archives import hostile_archives
from tests.attacks.hostile.pictures import hostile_pictures
from tests.attacks.hostile.valid import Valid, valid_pictures

HEADING = (
    "| files | number | refused | CPU of refused | of the allowed | megapixels | memory | missed |\n"
    "|---|---|---|---|---|---|---|---|"
)
REFUSED_CPU_S = 0.5
ACCEPTED_CPU_S, CPU_S_PER_MEGAPIXEL = 0.2, 0.15
# So that a file that is not bounded does not stop the run.
_MOST_CPU_S, _MOST_BYTES = 60, 3 * 2**30


@dataclass(frozen=True)
class Cost:
    """What reading a file has cost.

    Args:
        name: Of the file.
        num_bytes: Of the file.
        megapixels: That were decoded, before it was refused or at all.
        cpu_s: CPU time.
        peak_bytes: Most memory of the process while it read, beyond that at the begin.
        outcome: `accepted`, or why it was refused.
        is_right: Whether the pixels were right, where that is known.
    """

    name: str
    num_bytes: int
    megapixels: float
    cpu_s: float
    peak_bytes: int
    outcome: str
    is_right: bool = True

    @property
    def is_accepted(self) -> bool:
        """Whether the file was read."""
        return self.outcome == "accepted"

    @property
    def allowed_s(self) -> float:
        """The target: pixels that were decoded count in any case."""
        own = ACCEPTED_CPU_S if self.is_accepted else REFUSED_CPU_S
        return own + CPU_S_PER_MEGAPIXEL * self.megapixels

    @property
    def holds(self) -> bool:
        """Whether the target holds, and the file did not end the process."""
        return self.cpu_s <= self.allowed_s and self.is_right and self.outcome != "died"


def read_picture(data: bytes) -> float:
    """Read a picture as for an upload; return its megapixels."""
    found = pictures.read(data, Reading())
    _ = found.file
    return found.picture.width * found.picture.height / 1e6


def read_archive(data: bytes) -> float:
    """Read a data set with all of its pictures; return their megapixels."""
    return sum(picture.width * picture.height for _, picture in Dataset(data).pictures()) / 1e6


def cost_of(name: str, data: bytes, read: Callable[[bytes], float]) -> Cost:
    """Read a file in a forked process, and return what that has cost."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(_measured(data, read)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read()
    _, _, usage = os.wait4(child, 0)
    if not said:
        return Cost(name, len(data), 0, usage.ru_utime + usage.ru_stime, 0, "died")
    return Cost(name, len(data), **json.loads(said))


def _measured(data: bytes, read: Callable[[bytes], float]) -> dict[str, object]:
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, _MOST_BYTES))
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    megapixels, outcome = 0.0, "accepted"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    try:
        megapixels = read(data)
    except RequestError as error:
        outcome = str(error.message)
    took = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "megapixels": megapixels,
        "cpu_s": took,
        "peak_bytes": peak * 1024,
        "outcome": outcome,
    }


def costs_of_pictures(number: int) -> Iterable[Cost]:
    """What hostile pictures cost."""
    return (cost_of(name, data, read_picture) for name, data in hostile_pictures(number))


def costs_of_archives(number: int) -> Iterable[Cost]:
    """What hostile archives cost."""
    return (cost_of(name, data, read_archive) for name, data in hostile_archives(number))


def costs_of_valid(number: int) -> Iterable[Cost]:
    """What valid pictures cost. Their pixels are compared."""
    return map(cost_of_valid, valid_pictures(number))


def cost_of_valid(valid: Valid) -> Cost:
    """What one valid picture costs, and whether its pixels are right."""
    cost = cost_of(valid.name, valid.data, read_picture)
    shown, right = pictures.decode(valid.data), valid.shows()
    is_right = (shown.size, shown.tobytes()) == (right.size, right.tobytes())
    return replace(cost, is_right=is_right and cost.is_accepted)


def row(title: str, costs: Sequence[Cost]) -> str:
    """A line of the table."""
    refused = [each for each in costs if not each.is_accepted]
    accepted = [each for each in costs if each.is_accepted]
    cells = (
        title,
        str(len(costs)),
        str(len(refused)),
        f"{max((each.cpu_s for each in refused), default=0):.2f} s",
        f"{max((each.cpu_s / each.allowed_s for each in accepted), default=0):.0%}",
        f"{max((each.megapixels for each in costs), default=0):.1f}",
        f"{max((each.peak_bytes for each in costs), default=0) / 2**20:.0f} MiB",
        str(sum(not each.holds for each in costs)),
    )
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, and what misses the target; return 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, help="files of each sort; by default 200, 200 and 300")
    parser.add_argument("--each", action="store_true", help="print each file")
    options = parser.parse_args(argv)
    print(HEADING)
    missed = []
    for title, costs, usual in (
        ("hostile pictures", costs_of_pictures, 200),
        ("hostile archives", costs_of_archives, 200),
        ("valid pictures", costs_of_valid, 300),
    ):
        found = []
        for cost in costs(options.number or usual):
            found.append(cost)
            if options.each:
                print(
                    f"  {cost.cpu_s:6.2f} s of {cost.allowed_s:5.2f}  {cost.name}: {cost.outcome}",
                    file=sys.stderr,
                )
        print(row(title, found), flush=True)
        missed += [each for each in found if not each.holds]
    for each in missed:
        pixels = "" if each.is_right else ", wrong pixels"
        print(f"missed: {each.name}: {each.cpu_s:.2f} s of {each.allowed_s:.2f} s, {each.outcome}{pixels}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
