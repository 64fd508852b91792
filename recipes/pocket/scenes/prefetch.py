"""An endless source of sample batches. With a CUDA device, all other cores draw batches in advance."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context

from recipes.pocket.scenes.samples import SampleBatch, Sampler
from recipes.pocket.training import process_group
from recipes.pocket.training.device import device


@dataclass(frozen=True)
class SampleSource:
    """An endless source of sample batches.

    Args:
        size: Scenes per batch.
        share_of_two: The probability of a picture with two objects.
        varied_share: The probability of a picture with variation, from the wide ranges.
        masks: Whether to draw class masks.
    """

    size: int
    share_of_two: float = 0.5
    varied_share: float = 0.0
    masks: bool = False

    def batch(self, seed: int) -> SampleBatch:
        """Draw one batch."""
        return Sampler(seed, self.share_of_two, self.varied_share, masks=self.masks).batch(self.size)

    def batches(self, seed: int) -> Iterator[SampleBatch]:
        """Yield batches without end. Each training process gets other batches."""
        seeds = count(seed * 10_000_000 + process_group.rank(), process_group.world_size())
        cores = os.cpu_count() or 1
        if device().type == "cpu" or cores < 4:
            yield from map(self.batch, seeds)
        with ProcessPoolExecutor(cores - 1, mp_context=get_context("spawn")) as executor:
            pending: deque[Future[SampleBatch]] = deque()
            while True:
                while len(pending) < 2 * cores:
                    pending.append(executor.submit(self.batch, next(seeds)))
                yield pending.popleft().result()
