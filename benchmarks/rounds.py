"""Contestants take turns, round after round, so that a slow minute of the machine hits all of them alike."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from benchmarks.contestant import Contestant, Job

Seconds = dict[str, list[float]]
Maker = Callable[[], AbstractContextManager[Contestant]]


def take_turns(turns: Mapping[str, Callable[[], float]], num_rounds: int) -> Seconds:
    """What each turn returns, round by round; every other round runs backwards."""
    seconds: Seconds = {name: [] for name in turns}
    for index in range(num_rounds):
        order = list(turns) if index % 2 == 0 else list(turns)[::-1]
        for name in order:
            seconds[name].append(turns[name]())
            print(f"  round {index + 1}  {name:<44} {seconds[name][-1]:8.2f}", flush=True)
    return seconds


def per_job(seconds: Seconds, counts: Mapping[str, int]) -> Seconds:
    """Seconds for one job, of contestants that did different numbers of them."""
    return {name: [one / counts[name] for one in taken] for name, taken in seconds.items()}


def times_faster(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of theirs / ours: of seconds, how many times quicker ours is."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))


def quickest(makers: Mapping[str, Maker], jobs: Sequence[Job]) -> str:
    """The name of the maker whose contestant does `jobs` first; each is started, tried twice and ended."""
    seconds = {}
    for name, make in makers.items():
        with make() as contestant:
            seconds[name] = min(contestant.burst(jobs) for _ in range(2))
        print(f"  tuning   {name:<44} {seconds[name]:8.2f}", flush=True)
    return min(seconds, key=seconds.__getitem__)
