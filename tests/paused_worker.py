"""Workers that are paused in the middle of a job, so that a test can end them before the job ends."""

from collections.abc import Callable, Iterable

import psutil
from brushwork import Client
from brushwork_schemas.job import Job

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
        for worker in workers:
            worker.suspend()
        job = client.get(job_id)
        if not job.state.is_terminal:
            return job
        for worker in workers:
            worker.resume()
    raise AssertionError("five jobs ended before their worker could be paused")


def _wait(client: Client, job_id: str, reached: Callable[[Job], object]) -> None:
    def look() -> object:
        job = client.get(job_id)
        return job.state.is_terminal or reached(job)

    wait_until(look, bound_s=180, what="the job's start")
