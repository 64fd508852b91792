"""Jobs that arrive at random times, and the latency of each."""

import random
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contestant import Contestant, Job


@dataclass(frozen=True)
class Latencies:
    """The result of a stream of jobs.

    Args:
        seconds: From a job's arrival until its result was in the caller's hand, each.
        jobs_per_s: All of them, by the time from the first arrival to the last result.
    """

    seconds: tuple[float, ...]
    jobs_per_s: float

    @property
    def mean_s(self) -> float:
        """Mean."""
        return statistics.fmean(self.seconds)

    def percentile_s(self, share: float) -> float:
        """The smallest latency that `share` of the jobs do not exceed."""
        return sorted(self.seconds)[max(0, -int(-share * len(self.seconds) // 1) - 1)]


def together(parts: Sequence[Latencies]) -> Latencies:
    """Several streams as one; the throughput is the median."""
    seconds = tuple(second for part in parts for second in part.seconds)
    return Latencies(seconds, statistics.median(part.jobs_per_s for part in parts))


def poisson(num_jobs: int, per_s: float, seed: int) -> list[float]:
    """Moments of a Poisson process, in seconds from its start."""
    rng, moment, moments = random.Random(seed), 0.0, []
    for _ in range(num_jobs):
        moment += rng.expovariate(per_s)
        moments.append(moment)
    return moments


def play(contestant: Contestant, jobs: Sequence[Job], moments: Sequence[float]) -> Latencies:
    """Let each job arrive at its moment, whoever still waits: a thread of its own asks for it."""
    latencies = [0.0] * len(jobs)
    began = time.perf_counter()

    def ask(index: int) -> None:
        contestant.answer(jobs[index])
        latencies[index] = time.perf_counter() - began - moments[index]

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(jobs))]
    for thread, moment in zip(threads, moments, strict=True):
        time.sleep(max(0.0, began + moment - time.perf_counter()))
        thread.start()
    for thread in threads:
        thread.join()
    if not all(latencies):
        raise RuntimeError(f"{contestant.name} did not answer every job")
    return Latencies(tuple(latencies), len(jobs) / (time.perf_counter() - began - moments[0]))
