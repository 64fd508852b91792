"""Rooms: modules of each room, arrows between rooms, and the entries of each folder."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
# Folder and package of each layer, lowest first.
LAYERS = {
    "schemas": "brushwork_schemas",
    "core": "brushwork_core",
    "producer": "brushwork",
    "workers": "brushwork_workers",
}
MOST_ENTRIES = 20
# Data, not modules: one file for each migration or model.
_DATA = ("versions", "weights", "static")


@dataclass(frozen=True)
class Rooms:
    """The rooms of a checkout.

    Args:
        modules: Number of modules of each room. A room is a package inside a layer, or a module beside them.
        arrows: Number of imports from one room to another.
    """

    modules: Mapping[str, int]
    arrows: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, checkout: Path) -> "Rooms":
        """Read the imports of a checkout with grimp."""
        packages = [name for folder, name in LAYERS.items() if (checkout / folder / name).is_dir()]
        for folder in LAYERS:
            sys.path.insert(0, str(checkout / folder))
        graph = grimp.build_graph(*packages, cache_dir=None, exclude_type_checking_imports=True)
        del sys.path[: len(LAYERS)]
        modules = Counter(room_of(module) for module in graph.modules)
        arrows: Counter[tuple[str, str]] = Counter()
        for importer in graph.modules:
            for imported in graph.find_modules_directly_imported_by(importer):
                ends = room_of(importer), room_of(imported)
                if ends[0] != ends[1]:
                    arrows[ends] += 1
        return cls(modules, arrows)

    def cycles(self) -> Sequence[tuple[str, str]]:
        """Pairs of rooms of one layer that import each other, however many rooms lie between them."""
        reached = {room: self._reached(room) for room in self.modules}
        return sorted(
            {
                (min(first, second), max(first, second))
                for first, others in reached.items()
                for second in others
                if first != second and first in reached[second]
            }
        )

    def _reached(self, room: str) -> set[str]:
        found: set[str] = set()
        waiting = [room]
        while waiting:
            here = waiting.pop()
            for start, end in self.arrows:
                if start == here and end not in found:
                    found.add(end)
                    waiting.append(end)
        return found


def room_of(module: str) -> str:
    """Return the room of a module: the first two parts of its name."""
    return ".".join(module.split(".")[:2])


def crowded(checkout: Path) -> Iterator[tuple[Path, int]]:
    """Yield folders inside the layers that have too many entries."""
    for folder in sorted(path for layer in LAYERS for path in (checkout / layer).rglob("*") if path.is_dir()):
        entries = [each for each in folder.iterdir() if each.name != "__pycache__"]
        is_data = any(part in _DATA for part in folder.relative_to(checkout).parts)
        if len(entries) > MOST_ENTRIES and not is_data and "__pycache__" not in folder.parts:
            yield folder.relative_to(checkout), len(entries)


def checked_out(revision: str, folder: Path) -> Path:
    """Write the files of a revision into a folder and return it."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder
