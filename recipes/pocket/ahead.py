"""Drawn batches without end; beside a CUDA device they are drawn ahead by all other cores."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context

from recipes.pocket import gang
from recipes.pocket.device import device
from recipes.pocket.samples import SampleBatch, Sampler


@dataclass(frozen=True)
class Drawing:
    """What is drawn: the arguments of a `Sampler`, and how many scenes at a time."""

    size: int
    share_of_two: float = 0.5
    lively: float = 0.0
    masks: bool = False

    def batch(self, seed: int) -> SampleBatch:
        """One batch from a seed of its own."""
        return Sampler(seed, self.share_of_two, self.lively, masks=self.masks).batch(self.size)

    def batches(self, seed: int) -> Iterator[SampleBatch]:
        """Batches without end, others in each of the processes."""
        seeds = count(seed * 10_000_000 + gang.place(), gang.size())
        cores = os.cpu_count() or 1
        if device().type == "cpu" or cores < 4:
            yield from map(self.batch, seeds)
        with ProcessPoolExecutor(cores - 1, mp_context=get_context("spawn")) as drawers:
            waiting: deque[Future[SampleBatch]] = deque()
            while True:
                while len(waiting) < 2 * cores:
                    waiting.append(drawers.submit(self.batch, next(seeds)))
                yield waiting.popleft().result()
