"""The processor time of a single job that does nothing: in its client, in the worker, and for each step.

python -m benchmarks.empty_job_parts [--jobs 200] [--postgres]

Jobs come one after another, each after the end of the one before.
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.durable_postgres import durable_postgres
from benchmarks.empty_stack import empty_stack

WARM_UP = 30
JOB = {"kind": "text-to-image", "prompt": "nothing", "seed": 1}


def main() -> None:
    """Print milliseconds for each job."""
    parser = argparse.ArgumentParser(description="Processor time of a single empty job.")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = stack.enter_context(durable_postgres()) if options.postgres else None
        queue = stack.enter_context(empty_stack("parts", Path(folder) / "data", 1, 16, url))
        client = queue.client
        worker = psutil.Process(client.workers()[0].pid)
        spent = dict.fromkeys(("submit", "wait", "worker"), 0.0)
        for number in range(-WARM_UP, options.jobs):
            if number == 0:
                spent = dict.fromkeys(spent, 0.0)
                worker_before = _processor_s(worker)
            began = time.process_time()
            job = client.submit_many([JOB])[0]
            submitted = time.process_time()
            client.wait(job.id).raise_for_state()
            spent["submit"] += submitted - began
            spent["wait"] += time.process_time() - submitted
        spent["worker"] = _processor_s(worker) - worker_before
    for name, seconds in spent.items():
        print(f"{name:<8} {1000 * seconds / options.jobs:6.2f} ms")


def _processor_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


if __name__ == "__main__":
    main()
