"""Names for the files of an explanation, for people who save them."""

import re
from collections.abc import Iterator, Mapping

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.explanations.result import Explanation

_LONGEST = 40
_OTHERS = re.compile(r"[^\w-]+")


def explanation_files(explanation: Explanation) -> Mapping[str, Artifact]:
    """Return the files of an explanation by file name, without an ending.

    A name has the label of the map in it, such as `overlay-circle`. The pictures of a pair are `with-red` and
    `changed-red`.

    Args:
        explanation: The explanation.
    """
    files: dict[str, Artifact] = {}
    for name, each in zip(_names(explanation), explanation.maps, strict=True):
        files |= {f"map-{name}": each.map, f"overlay-{name}": each.overlay}
        if each.pair is not None:
            files |= {f"with-{name}": each.pair[0], f"changed-{name}": each.pair[1]}
    return files


def _names(explanation: Explanation) -> Iterator[str]:
    """Yield a name for each map that no other map has, also where upper and lower case are the same."""
    taken: set[str] = set()
    for number, each in enumerate(explanation.maps, 1):
        name = _OTHERS.sub("-", each.label).strip("-")[:_LONGEST] or str(number)
        while name.casefold() in taken:
            name = f"{name}-{number}"
        taken.add(name.casefold())
        yield name
