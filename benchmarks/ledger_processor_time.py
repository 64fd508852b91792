"""The processor time of a claim and of an end on PostgreSQL, in the worker and in the server.

python -m benchmarks.ledger_processor_time [--jobs 400] [--rounds 3]

Other programs on the cores change it less than the time by the clock. With more processes than cores, the
rate depends on it.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import psutil
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from sqlalchemy import text

from benchmarks.durable_postgres import durable_postgres
from benchmarks.ledger_cost import new_job

JOBS_PER_SUBMIT = 200


def main() -> None:
    """Print milliseconds for each job, the median of the rounds."""
    parser = argparse.ArgumentParser(description="Processor time of claims and ends on PostgreSQL.")
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with durable_postgres() as url:
        if url is None:
            return
        database = Database(url)
        database.migrate()
        rounds = [_round(database, options.jobs, f"round-{number}") for number in range(options.rounds)]
        database.close()
    for place, operation in enumerate(("claim", "complete")):
        worker, server = (statistics.median(each[place][side] for each in rounds) for side in (0, 1))
        print(f"{operation:<10} worker {1000 * worker:5.2f} ms   server {1000 * server:5.2f} ms")


def _round(database: Database, num_jobs: int, name: str) -> list[tuple[float, float]]:
    """Seconds in worker and server: of a claim, of an end."""
    ledger = Ledger(database, lease_s=600)
    ids = [f"{name}-{number}" for number in range(num_jobs)]
    for first in range(0, num_jobs, JOBS_PER_SUBMIT):
        ledger.submit([new_job(job_id) for job_id in ids[first : first + JOBS_PER_SUBMIT]])
    with database.reading() as connection:
        server = psutil.Process(int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one()))
    fences: dict[str, int] = {}

    def claim(job_id: str) -> None:
        claimed = ledger.claim(job_id, "worker")
        if claimed is None:
            raise RuntimeError(f"{job_id} could not be claimed")
        fences[job_id] = claimed.fence

    def complete(job_id: str) -> None:
        ledger.complete(job_id, fences[job_id], {"images": [], "seed": 1})

    return [_spent(claim, ids, server), _spent(complete, ids, server)]


def _spent(act: Callable[[str], None], ids: list[str], server: psutil.Process) -> tuple[float, float]:
    began = time.process_time(), _processor_s(server)
    for job_id in ids:
        act(job_id)
    return (time.process_time() - began[0]) / len(ids), (_processor_s(server) - began[1]) / len(ids)


def _processor_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


if __name__ == "__main__":
    main()
