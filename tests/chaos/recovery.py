"""How long the jobs of a worker that was hit waited: until they were given back, and until they ran again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brushwork_schemas.states import JobState

from tests.chaos.history import RESULT, Move

TERMINAL = {state.value for state in JobState if state.is_terminal}


@dataclass(frozen=True)
class Disruption:
    """Something happened to a worker.

    Args:
        at_ms: When, in milliseconds since 1970.
        mark: What the worker's name in the ledger holds.
    """

    at_ms: float
    mark: str


@dataclass(frozen=True)
class Wait:
    """Of one attempt that ran when its worker was hit.

    Args:
        given_back_s: Until the ledger had taken the job from that worker, or it had ended.
        run_again_s: Until it was claimed again, or had ended.
    """

    given_back_s: float
    run_again_s: float


def waits(history: Mapping[str, Sequence[Move]], disruptions: Sequence[Disruption]) -> list[Wait]:
    """One for each attempt; where its worker was hit more than once, from the first time."""
    found: dict[tuple[str, int], Wait] = {}
    for disruption in disruptions:
        for job_id, moves in history.items():
            before, after = _around(moves, disruption)
            wait = _wait(after, disruption.at_ms) if before else None
            if before and wait:
                found.setdefault((job_id, before.fence), wait)
    return list(found.values())


def _around(moves: Sequence[Move], disruption: Disruption) -> tuple[Move | None, Sequence[Move]]:
    """The claim that the disruption hit, if it hit one, and the moves that followed."""
    states = [move for move in moves if move.state != RESULT]
    before = [move for move in states if move.at_ms <= disruption.at_ms]
    if not before or before[-1].state != JobState.RUNNING or disruption.mark not in (before[-1].worker or ""):
        return None, ()
    return before[-1], states[len(before) :]


def _wait(after: Sequence[Move], at_ms: float) -> Wait | None:
    """None where nothing followed: that job is lost, and named by others."""
    taken = next((move for move in after if move.state in {*TERMINAL, JobState.RUNNING}), None)
    if taken is None:
        return None
    return Wait((after[0].at_ms - at_ms) / 1000, (taken.at_ms - at_ms) / 1000)
