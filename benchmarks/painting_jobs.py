"""The jobs of the text-to-image benchmarks, the same for every contestant."""

import random
from collections.abc import Sequence

import numpy as np
from brushwork_workers.pocket import WEIGHTS

from benchmarks.contestant import Job
from recipes.pocket.scenes.grammar import english, sample_test

MODEL = WEIGHTS / "pocket-diffusion"
GUIDANCE = 2.0


def equal(count: int, num_steps: int) -> list[Job]:
    """Pictures of equal step counts."""
    return _jobs([num_steps] * count)


def mixed(count: int, seed: int, fewest: int = 8, most: int = 40) -> list[Job]:
    """Pictures whose step counts are drawn evenly from a range, both ends included."""
    rng = random.Random(seed)
    return _jobs([rng.randint(fewest, most) for _ in range(count)])


def _jobs(steps: Sequence[int]) -> list[Job]:
    rng = np.random.default_rng(7)
    prompts = [english(sample_test(1 + index % 2, rng, 0.75, False)) for index in range(len(steps))]
    return [
        {"prompt": prompt, "seed": seed, "num_inference_steps": count, "guidance_scale": GUIDANCE}
        for seed, (prompt, count) in enumerate(zip(prompts, steps, strict=True))
    ]
