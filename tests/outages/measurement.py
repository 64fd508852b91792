"""What an outage costs: counted from the history that the database writes, and from the workers' journal."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_core.database.tables import JOBS
from brushwork_schemas.states import JobState
from sqlalchemy import func, select

from tests.chaos.history import Move, moves
from tests.outages.deployment import Deployment, refused
from tests.outages.mixed_jobs import mixed
from tests.servers import wait_until

# The outage begins when this share of the jobs has ended.
BEGINS_AT = 0.1
END_S = 600.0
LOOK_S = 0.1


@dataclass(frozen=True)
class Figures:
    """Of one outage.

    Args:
        service: What was away.
        seconds: How long.
        jobs: How many jobs there were.
        succeeded: How many of them succeeded.
        charged: Attempts that were charged besides the successful ones.
        given_back: Attempts that were given back without a charge.
        repeated: How often a handler that had finished its work ran again for the same job.
        moves_after_s: Seconds from the end of the outage to the first claim of a job.
        ended_after_s: Seconds from the end of the outage to the end of the last job.
        workers_lost: Workers that ended.
    """

    service: str
    seconds: float
    jobs: int
    succeeded: int
    charged: int
    given_back: int
    repeated: int
    moves_after_s: float
    ended_after_s: float
    workers_lost: int

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, charged or repeated."""
        return self.succeeded == self.jobs and not (self.charged or self.repeated or self.workers_lost)


def measured(deployment: Deployment, service: str, seconds: float, num_jobs: int, first: int) -> Figures:
    """Submit jobs, let a service refuse connections in mid-run, and wait for the end of all.

    Args:
        deployment: Where.
        service: A key of its proxies.
        seconds: How long it refuses.
        num_jobs: How many jobs.
        first: Seed of the first job.
    """
    jobs = deployment.client.submit_many(mixed(num_jobs, first))
    ids = [job.id for job in jobs]
    wait_until(
        lambda: _num_ended(deployment, ids) >= BEGINS_AT * num_jobs, bound_s=END_S, what="jobs", look_s=LOOK_S
    )
    over_at_ms: list[float] = []
    refused(deployment.proxies[service], seconds, lambda: over_at_ms.append(time.time() * 1000))
    wait_until(
        lambda: _num_ended(deployment, ids) == num_jobs,
        bound_s=END_S,
        what="the end of all jobs",
        look_s=LOOK_S,
    )
    return figures_of(
        service,
        seconds,
        moves=[move for move in moves(deployment.database) if move.job_id in set(ids)],
        finished=Counter(note.job_id for note in deployment.journal.notes("done")),
        over_at_ms=over_at_ms[0],
        workers_lost=sum(worker.poll() is not None for worker in deployment.workers),
    )


def figures_of(
    service: str,
    seconds: float,
    *,
    moves: Sequence[Move],
    finished: Mapping[str, int],
    over_at_ms: float,
    workers_lost: int = 0,
) -> Figures:
    """Count.

    Args:
        service: What was away.
        seconds: How long.
        moves: All moves of the jobs.
        finished: How often a handler finished its work, by job.
        over_at_ms: When the outage was over, in milliseconds since 1970.
        workers_lost: Workers that ended.
    """
    last: dict[str, Move] = {}
    claims: Counter[str] = Counter()
    for move in moves:
        if move.state in set(JobState):
            last[move.job_id] = move
        claims[move.job_id] += move.state == JobState.RUNNING
    charged = sum(max(0, (move.attempt or 0) - 1) for move in last.values())
    later = [move.at_ms for move in moves if move.state == JobState.RUNNING and move.at_ms >= over_at_ms]
    ends = [move.at_ms for move in last.values()]
    return Figures(
        service=service,
        seconds=seconds,
        jobs=len(last),
        succeeded=sum(move.state == JobState.SUCCEEDED for move in last.values()),
        charged=charged,
        given_back=sum(claims.values()) - len(last) - charged,
        repeated=sum(max(0, finished.get(job_id, 0) - 1) for job_id in last),
        moves_after_s=round((min(later, default=over_at_ms) - over_at_ms) / 1000, 2),
        ended_after_s=round((max(ends) - over_at_ms) / 1000, 2),
        workers_lost=workers_lost,
    )


def _num_ended(deployment: Deployment, ids: Sequence[str]) -> int:
    ended: list[Any] = [state for state in JobState if state.is_terminal]
    counted = select(func.count()).select_from(JOBS).where(JOBS.c.id.in_(ids), JOBS.c.state.in_(ended))
    with deployment.database.reading() as connection:
        return int(connection.execute(counted).scalar_one())
