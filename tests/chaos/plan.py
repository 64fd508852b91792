"""How a run of the fault suite is to go, and what came of it."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from tests.chaos.invariants import Verdict

SEED = 1


@dataclass(frozen=True)
class Run:
    """One fault, once."""

    fault: str
    title: str
    verdict: Verdict


@dataclass
class Plan:
    """What to run.

    Args:
        seed: Of all that is drawn.
        runs: Of each fault, on each database.
        faults: Only these; empty is all.
        thorough: The slow ones too, and each on both databases.
    """

    seed: int = SEED
    runs: int = 1
    faults: Collection[str] = ()
    thorough: bool = False
    done: list[Run] = field(default_factory=list)

    def wants(self, fault: str, *, thorough: bool) -> bool:
        """Whether a test of this fault is to run."""
        return (not self.faults or fault in self.faults) and (self.thorough or not thorough)


KEY = pytest.StashKey[Plan]()


def plan_of(config: pytest.Config) -> Plan:
    """The plan of this run of pytest; under `make test` the default one."""
    return config.stash.setdefault(KEY, Plan())
