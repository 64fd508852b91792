"""Rounds in which contestants alternate, so that a slow minute of the machine affects all of them equally."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from benchmarks.contestant import Contestant, Job

Seconds = dict[str, list[float]]
_Contestant = TypeVar("_Contestant", bound=Contestant)
Maker = Callable[[], AbstractContextManager[_Contestant]]
SETTLE_S = 0.5
# The rows of our own begin with it.
OURS = "brushwork"


class Stage:
    """All contestants up, and only the one whose turn it is running; the others are frozen.

    A process that merely waits still wakes up many times a second, and takes a core from who computes with
    all of them.

    Args:
        contestants: Loaded and warm.
    """

    def __init__(self, contestants: Sequence[Contestant]) -> None:
        self._programs = {one.name: one.programs for one in contestants}

    def has_ended(self, name: str) -> bool:
        """Return whether a process of the contestant has ended, so that it cannot go on."""
        return any(not program.tree() for program in self._programs.get(name, ()))

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Within it, only this contestant runs."""
        others = [program for other, own in self._programs.items() if other != name for program in own]
        with ExitStack() as thawed:
            for program in others:
                program.freeze()
                thawed.callback(program.thaw)
            time.sleep(SETTLE_S if others else 0)
            yield


def take_turns(turns: Mapping[str, Callable[[], float]], num_rounds: int, stage: Stage) -> Seconds:
    """Run all turns round by round and return their results. Every second round runs in reverse order.

    A peer whose process ends has no results; the others go on.
    """
    seconds: Seconds = {name: [] for name in turns}
    for index in range(num_rounds):
        order = list(turns) if index % 2 == 0 else list(turns)[::-1]
        for name in order:
            if name not in seconds:
                continue
            try:
                with stage.turn(name):
                    seconds[name].append(turns[name]())
            except Exception as error:
                if name.startswith(OURS) or not stage.has_ended(name):
                    raise
                del seconds[name]
                print(f"  round {index + 1}  {name} has ended and takes no part: {error}", flush=True)
                continue
            print(f"  round {index + 1}  {name:<44} {seconds[name][-1]:8.2f}", flush=True)
    return seconds


def per_job(seconds: Seconds, counts: Mapping[str, int]) -> Seconds:
    """Seconds for one job, of contestants that did different numbers of them."""
    return {name: [one / counts[name] for one in taken] for name, taken in seconds.items()}


def times_faster(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of theirs / ours: of seconds, how many times quicker ours is."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))


def quickest(makers: Mapping[str, Maker[_Contestant]], trial: Callable[[_Contestant], Sequence[Job]]) -> str:
    """The name of the maker whose contestant does its trial first; each is started, tried and ended."""
    if len(makers) == 1:
        return next(iter(makers))
    seconds = {}
    for name, make in makers.items():
        with make() as contestant:
            jobs = trial(contestant)
            seconds[name] = min(contestant.burst(jobs) for _ in range(3))
        print(f"  tuning   {name:<44} {seconds[name]:8.2f}", flush=True)
    return min(seconds, key=seconds.__getitem__)
