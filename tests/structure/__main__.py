"""The structure of the code, measured.

python -m tests.structure rooms [REVISION]   modules and arrows of each room, cycles, crowded folders
python -m tests.structure names              uses of names that the redesign replaced
python -m tests.structure classes            class names that are defined twice
"""

import sys
import tempfile
from pathlib import Path

from tests.structure.names import old_names, repeated_classes
from tests.structure.rooms import MOST_ENTRIES, ROOT, Rooms, checked_out, crowded


def rooms(checkout: Path) -> int:
    """Print the rooms of a checkout; return the number of things that are wrong."""
    found = Rooms.of(checkout)
    for room, number in sorted(found.modules.items()):
        out = sum(count for (start, _), count in found.arrows.items() if start == room)
        into = sum(count for (_, end), count in found.arrows.items() if end == room)
        print(f"{room:<45} {number:>4} modules {out:>4} imports {into:>4} imported")
    print(f"{sum(found.modules.values())} modules in {len(found.modules)} rooms")
    print(f"{sum(found.arrows.values())} imports between rooms, {len(found.arrows)} arrows")
    cycles, full = found.cycles(), list(crowded(checkout))
    for first, second in cycles:
        print(f"CYCLE {first} <-> {second}")
    for folder, number in full:
        print(f"CROWDED {folder}: {number} entries, {MOST_ENTRIES} at most")
    return len(cycles) + len(full)


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    match arguments:
        case ["rooms"]:
            return bool(rooms(ROOT))
        case ["rooms", revision]:
            with tempfile.TemporaryDirectory() as folder:
                return bool(rooms(checked_out(revision, Path(folder))))
        case ["names"]:
            found = sorted(set(old_names(ROOT)))
            print("\n".join([*found, f"{len(found)} uses of old names"]))
            return bool(found)
        case ["classes"]:
            repeated = repeated_classes(ROOT)
            for name, files in repeated.items():
                print(f"{name}: {', '.join(map(str, files))}")
            print(f"{len(repeated)} class names that are defined twice")
            return bool(repeated)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
