"""What came of each fault, kept as a file for each, so that one can be run again alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tests.chaos.invariants import Verdict
from tests.chaos.plan import Plan


@dataclass(frozen=True)
class Finding:
    """One fault.

    Args:
        fault: Its number, as "F01".
        title: What happens; of several tests, each one's.
        attempts: Whether every one of its tests ran and passed.
        verdicts: One for each stack that was judged.
    """

    fault: str
    title: str
    attempts: bool
    verdicts: Sequence[Verdict]

    def save(self, folder: Path) -> None:
        """Write it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.fault}.json").write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        fields = json.loads(file.read_text("utf-8"))
        return cls(**{**fields, "verdicts": [Verdict(**verdict) for verdict in fields["verdicts"]]})


def findings_of(plan: Plan) -> list[Finding]:
    """Of all faults that were run, in the order of their numbers."""
    return [_finding(fault, plan) for fault in sorted({outcome.fault for outcome in plan.outcomes})]


def kept_in(folder: Path) -> list[Finding]:
    """Of all faults that were ever run."""
    return [Finding.load(file) for file in sorted(folder.glob("F[0-9][0-9].json"))]


def _finding(fault: str, plan: Plan) -> Finding:
    outcomes = [outcome for outcome in plan.outcomes if outcome.fault == fault]
    titles = dict.fromkeys(outcome.title for outcome in outcomes)
    attempts = all(outcome.passed for outcome in outcomes)
    return Finding(
        fault, "; ".join(titles), attempts, [run.verdict for run in plan.done if run.fault == fault]
    )
