"""The peers that take part, and their start options: as in their documentation, and the fastest ones here."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.contestant import Contestant, Job
from benchmarks.litserve_client import litserve
from benchmarks.plain_celery import Tuning, Work, plain_celery
from benchmarks.rounds import Maker, quickest

DEFAULTS = "plain Celery, defaults"
# With more threads than cores it takes minutes for what others do in seconds; a few jobs tell its rate.
SHARE_OF_DEFAULTS = 8


class PeerChoice:
    """Starts peers for one kind of work.

    Args:
        folder: For their logs and snapshots.
        work: What they do.
        trial: Jobs by which the quickest tuning is found.
        peers: `all`, `celery` (tuned, without its defaults), `litserve` or `none`.
    """

    def __init__(self, folder: Path, work: Work, trial: Sequence[Job], peers: str) -> None:
        self._folder = folder
        self._work = work
        self._trial = trial
        self._peers = peers
        self._num_started = 0

    def celeries(self, stack: ExitStack, *, defaults: bool = True) -> list[Contestant]:
        """Plain Celery with all defaults, if wanted, and tuned."""
        if self._peers not in ("all", "celery"):
            return []
        names = {f"plain Celery, {tuning}": tuning for tuning in _tunings()}
        best = quickest({name: self._celery(name, each) for name, each in names.items()}, self._jobs)
        chosen = {DEFAULTS: Tuning()} if defaults and self._peers == "all" else {}
        chosen[best] = names[best]
        return [stack.enter_context(self._celery(name, each)()) for name, each in chosen.items()]

    def litserves(self, stack: ExitStack, makers: Sequence[tuple[str, Tuning, str]]) -> list[Contestant]:
        """LitServe in each of these ways: name, tuning, what a batch of unequal requests does."""
        if self._peers not in ("all", "litserve"):
            return []
        return [stack.enter_context(self._litserve(*each)()) for each in makers]

    def tuned_litserve(self, stack: ExitStack) -> list[Contestant]:
        """LitServe with one process and all threads or with a process for each core, what is quicker."""
        if self._peers not in ("all", "litserve"):
            return []
        ways = {f"LitServe, {tuning}": tuning for tuning in _tunings()[:2]}
        best = quickest({name: self._litserve(name, each) for name, each in ways.items()}, self._jobs)
        return [stack.enter_context(self._litserve(best, ways[best])())]

    def _celery(self, name: str, tuning: Tuning) -> Maker[Contestant]:
        return lambda: plain_celery(name, self._new_folder(), self._work, tuning)

    def _litserve(self, name: str, tuning: Tuning, unequal: str = "group") -> Maker[Contestant]:
        return lambda: litserve(name, self._new_folder(), self._work, tuning, unequal)

    def _jobs(self, contestant: Contestant) -> Sequence[Job]:
        return self._trial

    def _new_folder(self) -> Path:
        self._num_started += 1
        return self._folder / f"peer-{self._num_started}"


def _tunings() -> list[Tuning]:
    cores = os.cpu_count() or 1
    return [Tuning(1, cores), Tuning(cores, 1), Tuning(2 * cores, 1)]
