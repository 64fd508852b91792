"""How a run of the fault suite is to go, and what came of it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.chaos.invariants import Verdict

SEED = 1
FAULTS = tuple(f"F{number:02}" for number in range(1, 26))


@dataclass(frozen=True)
class Run:
    """One fault, once."""

    fault: str
    verdict: Verdict


@dataclass(frozen=True)
class Outcome:
    """One test; one that was skipped has not passed."""

    fault: str
    title: str
    passed: bool


@dataclass
class Plan:
    """What to run.

    Args:
        seed: Of all that is drawn.
        runs: Of each fault, on each database.
        faults: Only these; empty is all.
        thorough: The slow ones too, and each on both databases.
        kept: Where logs are kept; None is nowhere.
    """

    seed: int = SEED
    runs: int = 1
    faults: Collection[str] = ()
    thorough: bool = False
    kept: Path | None = None
    done: list[Run] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def wants(self, fault: str, *, thorough: bool) -> bool:
        """Whether a test of this fault is to run."""
        return (not self.faults or fault in self.faults) and (self.thorough or not thorough)


KEY = pytest.StashKey[Plan]()


def plan_of(config: pytest.Config) -> Plan:
    """The plan of this run of pytest; under `make test` the default one."""
    return config.stash.setdefault(KEY, Plan())
