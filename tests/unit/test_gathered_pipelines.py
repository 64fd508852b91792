"""Gathered pictures equal those made alone, for every family, with no line of code for any of them.

Also where a neighbour fails, is canceled, or the memory ends.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.families.registry import family_of
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.diffusion.pipelines import Pipelines
from diffusers import (
    DDIMScheduler,
    DiffusionPipeline,
    FluxPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from tests.stops import Going, Stopped, Switch
from tests.tiny_pipelines import FAMILIES

# With `--thorough`, 16 of every family. Here too 16 of one family, which go through every scheduler.
MANY, FEW = 16, 4
# Of the pixel range, in float32: what rounding alone may do. About 3e-6 is usual.
TOLERANCE = 1e-4
# Among them one that draws noise at each step and one that calls the model twice for a step.
SCHEDULERS = (
    None,
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "UniPCMultistepScheduler",
)
FLOW_SCHEDULERS = (None, "FlowMatchHeunDiscreteScheduler")
SOURCE = Image.effect_noise((32, 32), 90).convert("RGB")
MASK = Image.new("L", (32, 32))
MASK.paste(255, (8, 8, 24, 24))


# For each kind, what its pipelines are given besides.
KINDS: dict[str, dict[str, Any]] = {
    "text-to-image": {},
    "image-to-image": {"image": SOURCE, "strength": 0.8},
    "inpainting": {"image": SOURCE, "mask_image": MASK, "strength": 0.9},
}
# Image-to-image of these takes its size from the picture.
SIZED_BY_PICTURE = (StableDiffusionPipeline, StableDiffusionXLPipeline)


def job_arguments(family: type[DiffusionPipeline], kind: str, index: int) -> dict[str, Any]:
    """Prompt, steps, guidance and seed that differ from job to job."""
    own = {"max_sequence_length": 16} if family is FluxPipeline else {}
    size = {} if kind == "image-to-image" and family in SIZED_BY_PICTURE else {"width": 32, "height": 32}
    return {
        "prompt": "a red circle" if index % 2 else "a star",
        "num_inference_steps": 3 + index % 5,
        "guidance_scale": (1.0, 3.0, 5.5)[index % 3],
        "generator": torch.Generator().manual_seed(index),
        "output_type": "np",
        **size,
        **KINDS[kind],
        **own,
    }


def scheduler(family: type[DiffusionPipeline], kind: str, index: int) -> str | None:
    """One of those that the family's pipeline of this kind can work with."""
    if family in (StableDiffusionPipeline, StableDiffusionXLPipeline):
        return SCHEDULERS[index % len(SCHEDULERS)]
    # Flux gives its scheduler sigmas, the other kinds ask it for noise: only its own can do that.
    free = family is StableDiffusion3Pipeline and kind == "text-to-image"
    return FLOW_SCHEDULERS[index % len(FLOW_SCHEDULERS)] if free else None


@cache
def prepared(family: type[DiffusionPipeline]) -> Any:
    pipeline: Any = FAMILIES[family]()
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    return pipeline


class Jobs:
    """Jobs of one family and kind; each may be given arguments of its own.

    Args:
        family: The class of their pipeline.
        num_jobs: How many.
        kind: One of `KINDS`.
    """

    def __init__(self, family: type[DiffusionPipeline], num_jobs: int, kind: str = "text-to-image") -> None:
        self.family, self.num_jobs, self.kind = family, num_jobs, kind
        self.pipeline = prepared(family)
        self.own: dict[int, dict[str, Any]] = {}
        self.stops: dict[int, Switch] = {}

    @property
    def odd(self) -> int:
        """The job that fails or is canceled, in the midst of the others."""
        return self.num_jobs // 3

    def run(self, calls: ModelExecutor, threads: int) -> list[Any]:
        """A picture for each job, or what it raised."""
        known = family_of(self.family.__name__)
        assert known is not None
        pipelines = Pipelines(self.pipeline, known.name, calls, CallOptions("tiny"))

        def job(index: int) -> Any:
            with calls.job(self.stops.get(index, Going())):
                copy = pipelines.new(self.kind, scheduler=scheduler(self.family, self.kind, index))
                arguments = job_arguments(self.family, self.kind, index) | self.own.get(index, {})
                try:
                    return calls.run(lambda: copy(**arguments)).images[0]
                except Exception as error:
                    return error

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(job, range(self.num_jobs)))

    def alone(self) -> list[Any]:
        """The pictures as each job makes them by itself, with no argument of its own."""
        return made_alone(self.family, self.num_jobs, self.kind)

    def together(self, *, is_cooperative: bool = True) -> list[Any]:
        """From shared runs; that runs were shared is part of the promise, how many is a matter of timing."""
        sizes: list[int] = []
        with gathering(lambda ran: sizes.append(len(ran.batch.calls)), is_cooperative) as calls:
            made = self.run(calls, threads=self.num_jobs)
        print(f"mean batch {np.mean(sizes):.1f}")
        assert max(sizes) > 1
        return made


@cache
def made_alone(family: type[DiffusionPipeline], num_jobs: int, kind: str) -> list[Any]:
    """Each job by itself: the same for every test, since seeds decide everything."""
    return Jobs(family, num_jobs, kind).run(SerialExecutor(), threads=1)


@contextmanager
def gathering(on_batch: Callable[[BatchStats], None], is_cooperative: bool = True) -> Iterator[Batcher]:
    calls = Batcher(64, 10**9, on_batch, is_cooperative=is_cooperative)
    try:
        yield calls
    finally:
        calls.close()


def assert_equal(expected: list[Any], made: list[Any], but: int | None = None) -> None:
    pairs = [pair for index, pair in enumerate(zip(expected, made, strict=True)) if index != but]
    difference = max(np.abs(one - other).max() for one, other in pairs)
    print(f"largest difference {difference:.1e} of {len(pairs)} pictures")
    assert difference <= TOLERANCE
    assert min(one.std() for one, _ in pairs) > 0.01


every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)


@pytest.fixture
def num_jobs(family: type[DiffusionPipeline], thorough: bool) -> int:
    return MANY if thorough or family is StableDiffusionPipeline else FEW


@pytest.mark.parametrize("kind", KINDS)
@every_family
def test_jobs_together_equal_jobs_alone(family: type[DiffusionPipeline], num_jobs: int, kind: str) -> None:
    jobs = Jobs(family, num_jobs, kind)
    assert_equal(jobs.alone(), jobs.together())


def test_jobs_in_threads_of_their_own_equal_jobs_alone() -> None:
    """As on a GPU."""
    jobs = Jobs(StableDiffusionPipeline, FEW)
    assert_equal(jobs.alone(), jobs.together(is_cooperative=False))


@every_family
def test_a_neighbour_that_fails_changes_no_picture(
    family: type[DiffusionPipeline], num_jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs(family, num_jobs)
    expected = jobs.alone()

    def explode(pipeline: Any, step: int, time: Any, given: dict[str, Any]) -> dict[str, Any]:
        return {"latents": 1e6 + given["latents"]}

    too_large = ValueError("too large")
    denoise_unless(jobs.pipeline, monkeypatch, lambda sample: bool(sample.abs().max() > 1e5), too_large)
    jobs.own[jobs.odd] = {"callback_on_step_end": explode}
    made = jobs.together()
    assert isinstance(made[jobs.odd], ValueError)
    assert_equal(expected, made, but=jobs.odd)


@every_family
def test_a_neighbour_that_is_canceled_changes_no_picture(
    family: type[DiffusionPipeline], num_jobs: int
) -> None:
    jobs = Jobs(family, num_jobs)
    expected = jobs.alone()
    steps: list[int] = []

    def cancel_at_the_second(pipeline: Any, step: int, time: Any, given: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        if step == 1:
            jobs.stops[jobs.odd].stop()
        return {}

    jobs.stops[jobs.odd] = Switch()
    jobs.own[jobs.odd] = {"callback_on_step_end": cancel_at_the_second, "num_inference_steps": 12}
    made = jobs.together()
    assert isinstance(made[jobs.odd], Stopped)
    assert steps == [0, 1]
    assert_equal(expected, made, but=jobs.odd)


@every_family
def test_pictures_stay_the_same_where_memory_ends(
    family: type[DiffusionPipeline], num_jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs(family, num_jobs)
    expected = jobs.alone()
    full = torch.OutOfMemoryError("simulated")
    # One job has two rows where it is guided; two jobs are always too many.
    most_rows = 5 if num_jobs == MANY else 1 if family is FluxPipeline else 2
    refused: list[int] = []

    def is_too_large(sample: torch.Tensor) -> bool:
        if len(sample) > most_rows:
            refused.append(len(sample))
        return len(sample) > most_rows

    denoise_unless(jobs.pipeline, monkeypatch, is_too_large, full)
    assert_equal(expected, jobs.together())
    assert refused


def test_who_casts_its_autoencoder_casts_nobody_elses() -> None:
    """As Stable Diffusion XL does around a decode in half precision."""
    pipeline: Any = FAMILIES[StableDiffusionXLPipeline]()
    pipeline.vae.half()
    copies = PipelineCopies(pipeline, SerialExecutor(), CallOptions("tiny"))
    caster, other, third = (copies.new().vae for _ in range(3))
    caster.to(dtype=torch.float32)
    third.to(torch.float32)
    assert [vae.dtype for vae in (caster, other, pipeline.vae)] == [
        torch.float32,
        torch.float16,
        torch.float16,
    ]
    assert next(caster.parameters()) is next(third.parameters())
    latents = torch.ones(1, 4, 4, 4)
    assert caster.decode(latents).sample.dtype is torch.float32
    caster.to(dtype=torch.float16)
    assert next(caster.parameters()) is next(other.parameters())
    assert caster.to("cpu").decode(latents.half()).sample.dtype is torch.float16


class TwoSchedulers(DiffusionPipeline):
    """As unCLIP has them, for its prior and for its decoder."""

    def __init__(self, scheduler: DDIMScheduler, prior_scheduler: DDIMScheduler) -> None:
        super().__init__()
        self.register_modules(scheduler=scheduler, prior_scheduler=prior_scheduler)


def test_no_scheduler_is_shared_wherever_a_pipeline_keeps_it() -> None:
    copies = PipelineCopies(
        TwoSchedulers(DDIMScheduler(), DDIMScheduler()), SerialExecutor(), CallOptions("tiny")
    )
    one, other = copies.new(), copies.new()
    assert one.scheduler is not other.scheduler
    assert one.prior_scheduler is not other.prior_scheduler


def denoise_unless(
    pipeline: Any,
    monkeypatch: pytest.MonkeyPatch,
    refuses: Callable[[torch.Tensor], bool],
    error: Exception,
) -> None:
    """Have the denoiser raise for some batches, as a broken argument or a full device would."""
    denoiser = getattr(pipeline, "unet", None) or pipeline.transformer
    forward = denoiser.forward

    def guarded(*args: Any, **kwargs: Any) -> Any:
        sample = args[0] if args else kwargs["hidden_states"]
        if refuses(sample):
            raise error
        return forward(*args, **kwargs)

    monkeypatch.setattr(denoiser, "forward", guarded)
