"""A timeline of the batches of several pictures, in one process, without queue and ledger.

python -m benchmarks.timeline [--jobs 64] [--steps 12] [--threads] [--batches 2]
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


Figures = tuple[float, float]


def measured(
    jobs: Sequence[Job], *, is_cooperative: bool, num_batches: int = 1
) -> tuple[Figures, Figures, list[BatchStats]]:
    """Seconds and CPU seconds of one static batch and of all jobs, and the runs made of their calls."""
    runs: list[BatchStats] = []
    # With guidance, a picture has two rows.
    rows = -(-2 * len(jobs) // num_batches)
    calls = Batcher(rows, 2**40, runs.append, torch.get_num_threads(), is_cooperative=is_cooperative)
    static = calls.call(CallOptions("static"), _static, jobs)
    pipeline = StableDiffusionPipeline.from_pretrained(painting_jobs.MODEL)
    pipeline.set_progress_bar_config(disable=True)
    copies = PipelineCopies(pipeline, calls, CallOptions("pocket-diffusion"))

    def paint(job: Job) -> None:
        asked = {name: value for name, value in job.items() if name != "seed"}
        with calls.job(GoesOn(), model="pocket-diffusion"):
            calls.run(lambda: copies.new()(**asked, generator=torch.Generator().manual_seed(job["seed"])))

    with ThreadPoolExecutor(len(jobs)) as threads:
        figures = []
        # The first time is for warming up.
        for _ in range(2):
            runs.clear()
            figures.append(_figures(lambda: list(threads.map(paint, jobs))))
    calls.close()
    return static, figures[-1], runs


def _static(jobs: Sequence[Job]) -> Figures:
    painter = Painter(painting_jobs.MODEL)
    painter.paint(jobs)
    return _figures(lambda: painter.paint(jobs))


def _figures(work: Callable[[], object]) -> Figures:
    """Seconds, and CPU seconds of the whole process."""
    began, cpu_began = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu_began


def main() -> None:
    """Print the static batch's seconds, each run, and the pauses between full runs."""
    parser = argparse.ArgumentParser(description="Each run of the batcher.")
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", action="store_true", help="a thread for each pipeline, as on a GPU")
    parser.add_argument(
        "--batches",
        type=int,
        default=1,
        help="divide the jobs into so many batches, which alternate: one computes while the pipelines of the "
        "others go on",
    )
    options = parser.parse_args()
    jobs = painting_jobs.equal(options.jobs, options.steps)
    keep_memory()
    static, gathered, runs = measured(jobs, is_cooperative=not options.threads, num_batches=options.batches)
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
    for name, (took_s, cpu_s) in (("static batch", static), ("gathered", gathered)):
        print(f"{name}: {took_s:.2f} s, {1000 * cpu_s / len(jobs):.1f} ms of CPU time a picture")


if __name__ == "__main__":
    main()
