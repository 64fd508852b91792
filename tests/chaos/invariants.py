"""I1 to I9: what holds after every fault, whatever it was. `judge` is all that a test needs."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from brushwork_schemas.states import JobState

from tests.chaos.evidence import Evidence, Row
from tests.chaos.history import RESULT, Move
from tests.chaos.recovery import TERMINAL, Disruption, waits

# Both clocks are this machine's; the database's is rounded to whole milliseconds.
ROUNDING_MS = 2


@dataclass(frozen=True)
class Verdict:
    """How a fault went.

    Args:
        accepted: Jobs that the client was told are accepted.
        lost: Of them, those that have not ended, or not as they should.
        twice: Jobs of which two results, or two ends, were written.
        violations: Each with the invariant's name.
        given_back_s: For each attempt whose worker was hit: until the ledger had taken its job back.
        recoveries_s: For each of them: until its job was claimed again, or had ended.
        kills: How often SIGKILL was sent to a worker or a server.
        settled_s: How long after the fault every job had ended, a backlog included.
    """

    accepted: int
    lost: int
    twice: int
    violations: Sequence[str]
    given_back_s: Sequence[float] = ()
    recoveries_s: Sequence[float] = ()
    kills: int = 0
    settled_s: float | None = None

    @property
    def worst_recovery_s(self) -> float:
        """0 where nothing was taken from a worker."""
        return max(self.recoveries_s, default=0.0)


def judge(evidence: Evidence, disruptions: Sequence[Disruption] = ()) -> Verdict:
    """Check every invariant."""
    lost, twice = _lost(evidence), _twice(evidence)
    found = waits(evidence.moves, disruptions)
    violations = [
        *lost,
        *twice,
        *(f"{check.__doc__} Job {words}" for check in CHECKS for words in check(evidence)),
    ]
    return Verdict(
        accepted=len(evidence.record.ids),
        lost=len(lost),
        twice=len(twice),
        violations=violations,
        given_back_s=[wait.given_back_s for wait in found],
        recoveries_s=[wait.run_again_s for wait in found],
    )


def _lost(evidence: Evidence) -> list[str]:
    """An accepted job ends, and as it should."""
    wrong = []
    for answer in {answer.job_id: answer for answer in evidence.record.answers}.values():
        row = evidence.jobs.get(answer.job_id)
        state = row["state"] if row else "nowhere"
        if state != answer.ends:
            reason = (row["error"] or row["last_error"]) if row else None
            wrong.append(f"lost: {answer.job_id} is {state}, not {answer.ends}: {reason}")
    return wrong


def _twice(evidence: Evidence) -> list[str]:
    found = []
    for job_id, moves in evidence.moves.items():
        results = sum(move.state == RESULT for move in moves)
        ends = sum(move.state in TERMINAL for move in moves)
        if results > 1 or ends > 1:
            found.append(f"twice: {job_id} has {results} results and {ends} ends")
    return found


def _i1(evidence: Evidence) -> Iterator[str]:
    """I1: submit answers only after the row is committed."""
    for answer in evidence.record.answers:
        first = evidence.moves.get(answer.job_id, [None])[0]
        if first is None or first.at_ms > answer.answered_at_ms + ROUNDING_MS:
            yield f"{answer.job_id} was not there when it was accepted"


def _i2(evidence: Evidence) -> Iterator[str]:
    """I2: every row is at last claimed and run."""
    for job_id, row in evidence.jobs.items():
        if row["state"] not in TERMINAL:
            yield f"{job_id} is still {row['state']} (dispatched at {row['dispatched_at']}, {row['worker']})"


def _i3(evidence: Evidence) -> Iterator[str]:
    """I3: a job that succeeded has one result, every other has none; an end is final."""
    for job_id, row in evidence.jobs.items():
        if (row["state"] == JobState.SUCCEEDED) != (job_id in evidence.results):
            yield f"{job_id} is {row['state']}, result or not"
        states = [move.state for move in evidence.moves[job_id] if move.state != RESULT]
        if TERMINAL & set(states[:-1]):
            yield f"{job_id} moved on after its end: {states}"


def _i4(evidence: Evidence) -> Iterator[str]:
    """I4: a completion commits only with the current fence."""
    for job_id, result in evidence.results.items():
        fences = [move.fence for move in evidence.moves[job_id] if move.state == JobState.RUNNING]
        if not fences or result["fence"] != fences[-1] or result["fence"] != evidence.jobs[job_id]["fence"]:
            yield f"{job_id} has the result of fence {result['fence']}, claims were {fences}"


def _i5(evidence: Evidence) -> Iterator[str]:
    """I5: every attempt raises the fence before it does anything."""
    for job_id, moves in evidence.moves.items():
        yield from _wrong_fences(job_id, [move for move in moves if move.state != RESULT])
    claims = {
        (move.job_id, move.fence)
        for moves in evidence.moves.values()
        for move in moves
        if move.state == JobState.RUNNING
    }
    attempts = Counter((note.job_id, note.fence) for note in evidence.begun)
    for (job_id, fence), times in attempts.items():
        if times > 1 or (job_id, fence) not in claims:
            yield f"{job_id} began {times} times with fence {fence}"


def _wrong_fences(job_id: str, moves: Sequence[Move]) -> Iterator[str]:
    for before, after in pairwise(moves):
        is_claim = after.state == JobState.RUNNING
        if after.fence < before.fence or (is_claim and after.fence != before.fence + 1):
            yield f"{job_id} went from fence {before.fence} to {after.fence} as {after.state}"


def _i6(evidence: Evidence) -> Iterator[str]:
    """I6: attempts are bounded, and a failure has its reason."""
    for job_id, row in evidence.jobs.items():
        attempts = [move.attempt or 0 for move in evidence.moves[job_id]]
        if max(attempts, default=0) > row["max_attempts"]:
            yield f"{job_id} made {max(attempts)} attempts of {row['max_attempts']}"
        if (row["state"] == JobState.FAILED) != (row["error"] is not None):
            yield f"{job_id} is {row['state']} with error {row['error']}"


def _i7(evidence: Evidence) -> Iterator[str]:
    """I7: artifacts of a committed result exist, are complete and match their hash."""
    for job_id, result in evidence.results.items():
        for artifact in result["result"].get("images", ()):
            if (job_id, artifact["sha256"]) not in evidence.outputs:
                yield f"{job_id} has a picture that is not linked to it"
            if not _is_whole(evidence, artifact):
                yield f"{job_id} has a picture {artifact['sha256']} that is missing or damaged"


def _is_whole(evidence: Evidence, artifact: Row) -> bool:
    sha256 = artifact["sha256"]
    file = evidence.files / sha256[:2] / sha256
    if not file.is_file() or file.stat().st_size != artifact["size_bytes"]:
        return False
    return hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def _i8(evidence: Evidence) -> Iterator[str]:
    """I8: one event for each end, and only for ends."""
    told = defaultdict(list)
    for event in evidence.events:
        told[event["job_id"]].append(event["id"])
    for job_id, row in evidence.jobs.items():
        has_ended = row["state"] in TERMINAL and row["webhook_url"]
        if told[job_id] != ([f"{job_id}:{row['state']}"] if has_ended else []):
            yield f"{job_id} is {row['state']} and told {told[job_id]}"


def _i9(evidence: Evidence) -> Iterator[str]:
    """I9: an idempotency key maps to one job."""
    rows = Counter((row["tenant"], row["idempotency_key"]) for row in evidence.jobs.values())
    answers = defaultdict(set)
    for answer in evidence.record.answers:
        answers[answer.key].add(answer.job_id)
    for (_, key), number in rows.items():
        if key is not None and (number > 1 or len(answers[key]) > 1):
            yield f"{answers[key]} stand for the key {key}"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (_i1, _i2, _i3, _i4, _i5, _i6, _i7, _i8, _i9)
