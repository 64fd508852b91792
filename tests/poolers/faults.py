"""What goes wrong behind PgBouncer and Sentinel, and what it costs."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from brushwork_core.database.tables import JOBS
from brushwork_schemas.states import JobState
from sqlalchemy import select

from tests.chaos import history
from tests.chaos.invariants import Verdict
from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.poolers.sentinel import FAILOVER_S
from tests.poolers.site import Site
from tests.servers import wait_until

# Short and longer jobs of one kind, each with steps and a stored picture.
JOBS_AT_ONCE = ["steps=6 pause=0.02", "steps=2", "steps=20 pause=0.02"]
EVERY_S = 0.1
WARM_S = 2.0
# Longer than a lease of the suite, which is 2 s.
FROZEN_S = 4.0
AWAY_S = 1.0
Deed = Callable[[Site, Random], None]


@dataclass(frozen=True)
class Figures:
    """Of one fault.

    Args:
        fault: What happened, and how often.
        jobs: Accepted jobs.
        succeeded: Of them.
        lost: Of them.
        twice: Jobs with two results or two ends.
        refused: Submits that the client was told to repeat.
        pause_s: Longest time without the begin of a job, from before the first fault to the end of the load.
        calm_s: The same before the first fault.
        violations: Of I1 to I9.
    """

    fault: str
    jobs: int
    succeeded: int
    lost: int
    twice: int
    refused: int
    pause_s: float
    calm_s: float
    violations: tuple[str, ...]


def kill_worker(site: Site, rng: Random) -> None:
    """End a worker by SIGKILL."""
    site.stack.kill(rng.choice(site.stack.workers))
    site.stack.wait_ready(1)


def pause_worker(site: Site, rng: Random) -> None:
    """Stop a worker for longer than its lease, and let it go on."""
    worker = rng.choice(site.stack.workers)
    site.stack.freeze(worker)
    pause(FROZEN_S)
    site.stack.thaw(worker)


def cut_connections(site: Site, rng: Random) -> None:
    """End all sessions of the database, twice within a second."""
    for _ in range(2):
        site.postgres.disconnect(site.name)
        pause(rng.uniform(0.1, 0.9))


def restart_pgbouncer(site: Site, rng: Random) -> None:
    """End PgBouncer by SIGKILL, and start it a second later."""
    site.stack.halt(site.bouncer, signal.SIGKILL)
    pause(AWAY_S)
    site.bouncer.start()


def freeze_pgbouncer(site: Site, rng: Random) -> None:
    """Stop PgBouncer for longer than a lease, and let it go on."""
    site.bouncer.freeze()
    pause(FROZEN_S)
    site.bouncer.thaw()


def restart_postgres(site: Site, rng: Random) -> None:
    """Restart PostgreSQL: a fast shutdown or an immediate one."""
    site.stack.halt(site.postgres, rng.choice([signal.SIGINT, signal.SIGQUIT]))
    site.postgres.start()


def kill_master(site: Site, rng: Random) -> None:
    """End the Redis master by SIGKILL. It comes back after the failover, as a replica."""
    old = site.group.master()
    site.stack.halt(site.group, signal.SIGKILL)
    site.group.wait_failover(old)
    old.start()


def freeze_master(site: Site, rng: Random) -> None:
    """Stop the Redis master until another is elected; then it goes on and believes to be master still."""
    old = site.group.master()
    old.freeze()
    try:
        site.group.wait_failover(old)
    finally:
        old.thaw()


def fail_over(site: Site, rng: Random) -> None:
    """Have the sentinels choose another master while the old one is well."""
    old = site.group.master()
    wait_until(site.group.is_whole, bound_s=FAILOVER_S + FAILOVER_S, what="replicas in step", look_s=0.1)
    site.group.fail_over()
    site.group.wait_failover(old)


def everything(site: Site, rng: Random) -> None:
    """All of these, in random order."""
    deeds = [kill_worker, cut_connections, restart_pgbouncer, restart_postgres, kill_master, pause_worker]
    for deed in rng.sample(deeds, len(deeds)):
        deed(site, rng)
        pause(rng.uniform(0.2, 1.0))


FAULTS: dict[str, tuple[Deed, int]] = {
    "worker: SIGKILL": (kill_worker, 3),
    "worker: stopped for two leases": (pause_worker, 2),
    "database: all sessions ended": (cut_connections, 3),
    "PgBouncer: SIGKILL, started 1 s later": (restart_pgbouncer, 3),
    "PgBouncer: stopped for 4 s": (freeze_pgbouncer, 2),
    "PostgreSQL: restarted": (restart_postgres, 3),
    "Redis master: SIGKILL, failover": (kill_master, 2),
    "Redis master: stopped until the failover": (freeze_master, 1),
    "Redis: failover on request": (fail_over, 2),
    "all of these in random order": (everything, 1),
}


def measured(site: Site, fault: str, rng: Random) -> Figures:
    """Let jobs run all the time, do the deed, and judge when all have ended.

    Args:
        site: Where.
        fault: A key of `FAULTS`.
        rng: Draws the moments.
    """
    deed, times = FAULTS[fault]
    with Load(site.stack, JOBS_AT_ONCE, every_s=EVERY_S, refusals=True) as load:
        pause(WARM_S)
        broken_at_ms = time.time() * 1000
        for _ in range(times):
            deed(site, rng)
            pause(rng.uniform(0.3, 1.0))
        _wait_begin(site)
    ended_at_ms = time.time() * 1000
    all_take_work(site.stack, bound_s=60.0)
    return _figures(f"{fault} ({times} times)" if times > 1 else fault, site, load, broken_at_ms, ended_at_ms)


def quick(site: Site) -> Verdict:
    """Submit jobs, end all sessions and the Redis master while they run, submit others, and judge."""
    # More than the workers run at once: some are messages that die with the master.
    site.stack.submit(JOBS_AT_ONCE * 5)
    wait_until(lambda: site.stack.journal.notes("begun"), what="the first job")
    site.postgres.disconnect(site.name)
    old = site.group.master()
    site.stack.halt(site.group, signal.SIGKILL)
    site.stack.submit(JOBS_AT_ONCE)
    site.group.wait_failover(old)
    site.stack.submit(JOBS_AT_ONCE)
    site.stack.settle()
    return site.stack.verdict()


def _wait_begin(site: Site) -> None:
    """Wait until a job that was submitted after the fault has begun."""
    since = time.monotonic()
    wait_until(
        lambda: any(note.at > since for note in site.stack.journal.notes("begun")[-20:]),
        bound_s=60,
        what="the begin of a job after the fault",
        look_s=0.05,
    )


def _figures(fault: str, site: Site, load: Load, broken_at_ms: float, ended_at_ms: float) -> Figures:
    verdict: Verdict = site.stack.verdict()
    begins = [
        move.at_ms for move in history.moves(site.stack.database) if move.state == JobState.RUNNING.value
    ]
    gaps = [(before, after - before) for before, after in pairwise(begins) if before < ended_at_ms]
    return Figures(
        fault=fault,
        jobs=verdict.accepted,
        succeeded=_num_succeeded(site),
        lost=verdict.lost,
        twice=verdict.twice,
        refused=load.num_refused,
        pause_s=_longest(gap for before, gap in gaps if before + gap >= broken_at_ms),
        calm_s=_longest(gap for before, gap in gaps if before + gap < broken_at_ms),
        violations=tuple(verdict.violations),
    )


def _longest(gaps_ms: "object") -> float:
    with suppress(ValueError):
        return round(max(gaps_ms) / 1000, 2)  # type: ignore[call-overload]
    return 0.0


def _num_succeeded(site: Site) -> int:
    """Of the accepted jobs. A submit whose reply was lost may have left others."""
    ended = select(JOBS.c.id).where(JOBS.c.state == JobState.SUCCEEDED)
    with site.stack.database.reading() as connection:
        return len(site.stack.record.ids & set(connection.execute(ended).scalars()))
