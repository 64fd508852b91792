"""The figures of `python -m tests.outages`, counted from histories that are known."""

from brushwork_schemas.states import JobState

from tests.chaos.history import RESULT, Move
from tests.outages.measurement import figures_of
from tests.outages.mixed_jobs import KINDS, mixed

RUNNING, QUEUED, SUCCEEDED, FAILED = JobState.RUNNING, JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED


def history(*moves: tuple[int, str, str, int]) -> list[Move]:
    """Moves as (milliseconds, job, state, attempt)."""
    return [Move(at_ms, job_id, state, 1, attempt, "w") for at_ms, job_id, state, attempt in moves]


def test_a_calm_outage_costs_nothing() -> None:
    moves = history(
        (0, "a", QUEUED, 0),
        (1000, "a", RUNNING, 1),
        (9000, "a", SUCCEEDED, 1),
        (9000, "a", RESULT, 1),
        (0, "b", QUEUED, 0),
        (6500, "b", RUNNING, 1),
        (9500, "b", SUCCEEDED, 1),
        (9500, "b", RESULT, 1),
    )
    found = figures_of("store", 5.0, moves=moves, finished={"a": 1, "b": 1}, over_at_ms=6000)
    assert (found.jobs, found.succeeded, found.charged, found.given_back, found.repeated) == (2, 2, 0, 0, 0)
    assert (found.moves_after_s, found.ended_after_s, found.holds) == (0.5, 3.5, True)


def test_charged_attempts_and_failures_are_counted() -> None:
    moves = history(
        (0, "a", QUEUED, 0),
        (1, "a", RUNNING, 1),
        (2, "a", QUEUED, 1),
        (3, "a", RUNNING, 2),
        (4, "a", SUCCEEDED, 2),
        (0, "b", QUEUED, 0),
        (1, "b", RUNNING, 1),
        (2, "b", QUEUED, 1),
        (3, "b", RUNNING, 2),
        (4, "b", QUEUED, 2),
        (5, "b", RUNNING, 3),
        (6, "b", FAILED, 3),
    )
    found = figures_of("store", 5.0, moves=moves, finished={"a": 1}, over_at_ms=0)
    assert (found.succeeded, found.charged, found.given_back, found.holds) == (1, 3, 0, False)


def test_attempts_that_were_given_back_are_no_charge_but_repeated_work_is_told() -> None:
    moves = history(
        (0, "a", QUEUED, 0),
        (1, "a", RUNNING, 1),
        (2, "a", QUEUED, 0),
        (3, "a", RUNNING, 1),
        (4, "a", SUCCEEDED, 1),
    )
    found = figures_of("database", 5.0, moves=moves, finished={"a": 2}, over_at_ms=0)
    assert (found.charged, found.given_back, found.repeated, found.holds) == (0, 1, 1, False)


def test_a_worker_that_ended_is_told() -> None:
    moves = history((1, "a", RUNNING, 1), (4, "a", SUCCEEDED, 1))
    assert not figures_of("Redis", 5.0, moves=moves, finished={}, over_at_ms=0, workers_lost=1).holds


def test_every_kind_is_among_the_jobs_and_no_two_are_equal() -> None:
    jobs = mixed(40)
    assert {job["kind"] for job in jobs} == set(KINDS)
    assert len({str(sorted(job.items())) for job in jobs}) == 40
