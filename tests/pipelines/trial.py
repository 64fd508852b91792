"""One pipeline to try: how it is built, and how its jobs call it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image

PROMPTS = ("a red circle", "a blue star", "a circle", "a red star")
SCHEDULERS = (
    None,
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
)
FLOW_SCHEDULERS = (None, "FlowMatchHeunDiscreteScheduler")


@dataclass(frozen=True)
class Trial:
    """A pipeline and the arguments of its jobs.

    Args:
        build: Builds the pipeline, with seeded weights.
        own: Arguments of all jobs. A function is called with the number of the job.
        steps: Name of the argument with the number of steps; None if there is none.
        guidance: Name of the argument with the guidance scale; None if there is none.
        scales: The guidance scales of the jobs, in turn.
        prompt: Name of the argument of the prompt; None if there is none.
        schedulers: The schedulers of the jobs, in turn; None is the pipeline's own.
        first_steps: The fewest steps of a job.
    """

    build: Callable[[], Any]
    own: Mapping[str, Any] = field(default_factory=dict)
    steps: str | None = "num_inference_steps"
    guidance: str | None = "guidance_scale"
    scales: Sequence[float] = (1.0, 3.0, 5.5)
    prompt: str | None = "prompt"
    schedulers: Sequence[str | None] = (None,)
    first_steps: int = 2

    def arguments(self, index: int) -> dict[str, Any]:
        """Return the arguments of a job, without its generator.

        Args:
            index: The number of the job.
        """
        found = {name: value(index) if callable(value) else value for name, value in self.own.items()}
        if self.steps is not None:
            found[self.steps] = self.first_steps + index % 4
        if self.guidance is not None:
            found[self.guidance] = self.scales[index % len(self.scales)]
        if self.prompt is not None:
            found[self.prompt] = PROMPTS[index % len(PROMPTS)]
        return found

    def scheduler(self, index: int) -> str | None:
        """Return the scheduler of a job.

        Args:
            index: The number of the job.
        """
        return self.schedulers[index % len(self.schedulers)]


def sized(side: int = 32) -> dict[str, int]:
    """Return the arguments for a square picture."""
    return {"width": side, "height": side}


def picture(side: int = 32) -> Callable[[int], Image.Image]:
    """Return a function that returns a picture for each job."""

    def drawn(index: int) -> Image.Image:
        noise = np.random.default_rng(index % 3).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)

    return drawn


def mask(side: int = 32) -> Image.Image:
    """Return a mask with a white square in the middle."""
    drawn = Image.new("L", (side, side))
    drawn.paste(255, (side // 4, side // 4, 3 * side // 4, 3 * side // 4))
    return drawn


def noise(*shape: int, scale: float = 1.0) -> Callable[[int], torch.Tensor]:
    """Return a function that returns a tensor for each job."""
    return lambda index: scale * torch.randn(shape, generator=torch.Generator().manual_seed(100 + index % 3))
