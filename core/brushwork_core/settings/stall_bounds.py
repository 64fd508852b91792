"""How long a job may stand still, by kind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from brushwork_schemas.kinds.registry import all_kinds


@dataclass(frozen=True)
class StallBounds:
    """Seconds for all kinds, and others for some.

    `str` of it is how it is set: `300`, or `300,text-to-image=900`.
    """

    all_s: float
    by_kind_s: Mapping[str, float] = field(default_factory=dict)

    def of(self, kind: str) -> float:
        """Seconds for this kind."""
        return self.by_kind_s.get(kind, self.all_s)

    @classmethod
    def read(cls, value: object) -> "StallBounds":
        """From a number, or from words as `str` writes them.

        Raises:
            ValueError: It is neither; the message says which part, and what it should be.
        """
        if isinstance(value, StallBounds):
            return value
        first, *others = str(value).split(",")
        by_kind_s: dict[str, float] = {}
        for entry in others:
            kind, _, bound = (word.strip() for word in entry.partition("="))
            if kind not in all_kinds():
                raise ValueError(f"{entry.strip()!r} is not KIND=SECONDS; kinds are {', '.join(all_kinds())}")
            if kind in by_kind_s:
                raise ValueError(f"{kind} is there twice")
            by_kind_s[kind] = _seconds(bound)
        return cls(_seconds(first), by_kind_s)

    def __str__(self) -> str:
        others = (f"{kind}={bound:.15g}" for kind, bound in self.by_kind_s.items())
        return ",".join((f"{self.all_s:.15g}", *others))


def _seconds(word: str) -> float:
    try:
        bound = float(word)
    except ValueError:
        bound = math.nan
    if not 0 < bound < math.inf:
        raise ValueError(
            f"{word.strip()!r} is no number of seconds greater than 0; it should be as 300, "
            "or 300,text-to-image=900: first the bound of all kinds, then those of some"
        )
    return bound
