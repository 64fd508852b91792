"""The stall limit: how long a running job may make no progress, by kind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.wording.phrase import said


@dataclass(frozen=True)
class StallBounds:
    """A limit in seconds for all kinds, and other limits for some kinds.

    `str()` returns the form of the setting: `300`, or `300,text-to-image=900`.

    Args:
        all_s: Limit of the kinds that have none of their own, in seconds.
        by_kind_s: Limits of single kinds, in seconds.
    """

    all_s: float
    by_kind_s: Mapping[str, float] = field(default_factory=dict)

    def of(self, kind: str) -> float:
        """Return the limit of a kind in seconds."""
        return self.by_kind_s.get(kind, self.all_s)

    @classmethod
    def read(cls, value: object) -> "StallBounds":
        """Parse a number, or the form that `str()` returns.

        Raises:
            ValueError: `value` has another form. The message names the part that is wrong.
        """
        if isinstance(value, StallBounds):
            return value
        first, *others = str(value).split(",")
        by_kind_s: dict[str, float] = {}
        for entry in others:
            kind, _, bound = (word.strip() for word in entry.partition("="))
            if kind not in all_kinds():
                known = ", ".join(all_kinds())
                raise ValueError(
                    said(
                        "{entry!r} does not have the form KIND=SECONDS; kinds are {known}",
                        entry=entry.strip(),
                        known=known,
                    )
                )
            if kind in by_kind_s:
                raise ValueError(said("{kind} is listed twice", kind=kind))
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
            said(
                "{word!r} is not a number of seconds greater than 0; use 300, or "
                "300,text-to-image=900: the limit of all kinds, then limits of single kinds",
                word=word.strip(),
            )
        )
    return bound
