"""Workers that are paused in the middle of a job, so that a test can end them before the job ends."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing

import psutil
from brushwork import Client
from brushwork_schemas.job import Job
from sqlalchemy import make_url

from tests.servers import wait_until


def pause_in_a_job(
    client: Client,
    pids: Iterable[int],
    submit: Callable[[], str],
    reached: Callable[[Job], object] = lambda job: job.started_at,
) -> Job:
    """Submit a job, pause all workers once it runs, and return it as it stands then.

    A short job may end between the look and the pause: then another is submitted.

    Args:
        client: Submits and reads the job.
        pids: Process ids of all workers that may run it.
        submit: Submits a job and returns its id.
        reached: Whether the job is where the workers are to be paused; by default as soon as it has started.
    """
    workers = [psutil.Process(pid) for pid in pids]
    for _ in range(5):
        job_id = submit()
        _wait(client, job_id, reached)
        _suspend(client, workers)
        job = client.get(job_id)
        if not job.state.is_terminal:
            return job
        for worker in workers:
            worker.resume()
    raise AssertionError("five jobs ended before their worker could be paused")


def _suspend(client: Client, workers: Iterable[psutil.Process]) -> None:
    """Pause workers between two writes: a process that is paused in one keeps SQLite's file locked."""

    def suspended() -> bool:
        for worker in workers:
            worker.suspend()
        if can_write(client):
            return True
        for worker in workers:
            worker.resume()
        return False

    wait_until(suspended, bound_s=60, what="a pause in which nobody has the database locked")


def can_write(client: Client) -> bool:
    """Whether nobody has SQLite's file locked. True for PostgreSQL, which locks rows."""
    url = make_url(client.settings.database_url.get_secret_value())
    if url.get_backend_name() != "sqlite":
        return True
    with closing(sqlite3.connect(str(url.database), timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
    return True


def _wait(client: Client, job_id: str, reached: Callable[[Job], object]) -> None:
    def look() -> object:
        job = client.get(job_id)
        return job.state.is_terminal or reached(job)

    wait_until(look, bound_s=180, what="the job's start")
