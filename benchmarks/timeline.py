"""A timeline of the batches of several pictures, in one process, without queue and ledger.

python -m benchmarks.timeline [--jobs 64] [--steps 12]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.device.cpu import keep_memory
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

from benchmarks import painting_jobs
from benchmarks.contestant import Job
from benchmarks.peers.stock import Painter


class GoesOn:
    """Nobody stops a job here."""

    def check(self) -> None:
        """It goes on."""

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Never called."""


def measured(jobs: Sequence[Job]) -> tuple[float, float, list[BatchStats]]:
    """Seconds for one static batch; for all jobs, each in a thread; and the runs made of their calls."""
    runs: list[BatchStats] = []
    calls = Batcher(2 * len(jobs), 2**40, runs.append, torch.get_num_threads())
    static_s = calls.call(CallOptions("static"), _static_s, jobs)
    pipeline = StableDiffusionPipeline.from_pretrained(painting_jobs.MODEL)
    pipeline.set_progress_bar_config(disable=True)
    copies = PipelineCopies(pipeline, calls, CallOptions("pocket-diffusion"))

    def paint(job: Job) -> None:
        asked = {name: value for name, value in job.items() if name != "seed"}
        with calls.job(GoesOn()):
            copies.new()(**asked, generator=torch.Generator().manual_seed(job["seed"]))

    with ThreadPoolExecutor(len(jobs)) as threads:
        seconds = []
        # The first time is for warming up.
        for _ in range(2):
            runs.clear()
            began = time.perf_counter()
            list(threads.map(paint, jobs))
            seconds.append(time.perf_counter() - began)
    calls.close()
    return static_s, seconds[-1], runs


def _static_s(jobs: Sequence[Job]) -> float:
    painter = Painter(painting_jobs.MODEL)
    painter.paint(jobs)
    began = time.perf_counter()
    painter.paint(jobs)
    return time.perf_counter() - began


def main() -> None:
    """Print the static batch's seconds, each run, and the pauses between full runs."""
    parser = argparse.ArgumentParser(description="Each run of the batcher.")
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    jobs = painting_jobs.equal(options.jobs, options.steps)
    keep_memory()
    static_s, took_s, runs = measured(jobs)
    for ran in runs:
        size = f"{len(ran.batch.calls):>3} calls"
        print(f"{ran.options.part:<13} {size}, {ran.batch.reason:<8} {1000 * ran.took_s:7.1f} ms")
    full = [
        (one, two)
        for one, two in pairwise(runs)
        if len(one.batch.calls) == len(two.batch.calls) == options.jobs
    ]
    pauses = [1000 * (two.began_s - one.began_s - one.took_s) for one, two in full]
    if pauses:
        print(f"between two full runs: median {statistics.median(pauses):.1f} ms")
    print(f"static batch {static_s:.2f} s, gathered {took_s:.2f} s")


if __name__ == "__main__":
    main()
