"""Skipped calls of the denoiser: which, what takes their place, and what a job with them shares."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from brushwork_schemas.kinds.generation.inpainting import InpaintingRequest
from brushwork_schemas.kinds.generation.step_skipping import computed_calls, num_computed
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.families.diffusion.pipelines import Pipelines
from brushwork_workers.families.step_skipping import StepSkipping
from brushwork_workers.families.upscaling.diffusion_upscaler import load as load_upscaler
from brushwork_workers.interface import LoadSpec
from diffusers import StableDiffusionPipeline
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from PIL import Image
from torch import Tensor

from tests.checkpoints import qwen_image, upscaler
from tests.desks import PlainDesk
from tests.stops import Going
from tests.unit.test_diffusion_families import asked, handler, made, place
from tests.unit.test_gathered_pipelines import prepared

STEPS = 10
# Of STEPS, at an acceleration of 1: two of three between the first two and the last.
SKIPPED = 4


@pytest.mark.parametrize("acceleration", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 12, 25, 50, 199])
def test_the_ends_are_computed_and_no_more_is_skipped_than_asked(number: int, acceleration: float) -> None:
    plan = computed_calls(number, acceleration)
    assert len(plan) == number
    assert all(plan[:2])
    assert plan[-1]
    assert ", ".join(map(str, plan)).count("False, False, False") == 0
    most = acceleration * 2 / 3 * max(0, number - 3)
    assert most - 1 < plan.count(False) <= most + 1e-6


@pytest.mark.parametrize(
    ("number", "acceleration", "skipped"),
    [(12, 0.25, 1), (12, 0.5, 3), (12, 1.0, 6), (25, 0.5, 7), (50, 0.25, 7), (50, 0.75, 23), (50, 1.0, 31)],
)
def test_how_many_calls_are_skipped(number: int, acceleration: float, skipped: int) -> None:
    assert number - num_computed(number, acceleration) == skipped


@dataclass
class Straight:
    """A denoiser whose output is a line over the timestep. Its answer is a tuple, or diffusers' own class."""

    as_tuple: bool = True
    dtype: torch.dtype = torch.float32
    calls: int = 0

    def __call__(self, sample: Tensor, timestep: Tensor, prompt: float = 0.0) -> Any:
        self.calls += 1
        output = (torch.arange(6.0).reshape(2, 3) * timestep / 100 + prompt).to(self.dtype)
        return (output, "kept", 7) if self.as_tuple else UNet2DConditionOutput(sample=output)


def skipping(denoiser: Any, timesteps: list[float], **more: Any) -> Any:
    scheduler = SimpleNamespace(timesteps=torch.tensor(timesteps))
    pipeline = SimpleNamespace(unet=denoiser, scheduler=scheduler, **more)
    return pipeline, StepSkipping(pipeline, 1.0)


TIMES = [float(time) for time in range(1000, 0, -100)]


@pytest.mark.parametrize("as_tuple", [True, False])
def test_a_line_is_continued_exactly(as_tuple: bool) -> None:
    denoiser = Straight(as_tuple)
    pipeline, skips = skipping(denoiser, TIMES)
    for time in TIMES:
        answer = pipeline.unet(torch.zeros(2), torch.tensor(time))
        right = Straight(as_tuple)(torch.zeros(2), torch.tensor(time))
        assert type(answer) is type(right)
        torch.testing.assert_close(answer[0], right[0])
        assert tuple(answer)[1:] == tuple(right)[1:]
    assert (skips.computed, skips.skipped, denoiser.calls) == (STEPS - SKIPPED, SKIPPED, STEPS - SKIPPED)


def test_number_formats_stay() -> None:
    pipeline, _ = skipping(Straight(dtype=torch.bfloat16), TIMES)
    answers = [pipeline.unet(torch.zeros(2), torch.tensor(time)) for time in TIMES]
    assert {answer[0].dtype for answer in answers} == {torch.bfloat16}


def test_what_a_scheduler_writes_into_an_answer_is_not_continued() -> None:
    pipeline, _ = skipping(Straight(), TIMES)
    for time in TIMES:
        answer = pipeline.unet(torch.zeros(2), torch.tensor(time))[0]
        torch.testing.assert_close(answer, Straight()(torch.zeros(2), torch.tensor(time))[0])
        answer.fill_(float("nan"))


def test_two_calls_of_a_step_are_two_lines() -> None:
    denoiser = Straight()
    pipeline, skips = skipping(denoiser, TIMES)
    for time in TIMES:
        latents = torch.zeros(2)
        for prompt in (0.0, 50.0):
            answer = pipeline.unet(latents, torch.tensor(time), prompt=prompt)[0]
            torch.testing.assert_close(answer, Straight()(latents, torch.tensor(time), prompt)[0])
    assert (skips.computed, skips.skipped) == (2 * (STEPS - SKIPPED), 2 * SKIPPED)


def test_a_timestep_may_come_twice() -> None:
    # As those of Heun's method.
    times = [time for time in TIMES for _ in range(2)][1:]
    pipeline, skips = skipping(Straight(), times)
    for time in times:
        answer = pipeline.unet(torch.zeros(2), torch.tensor(time))[0]
        torch.testing.assert_close(answer, Straight()(torch.zeros(2), torch.tensor(time))[0])
    assert skips.skipped == len(times) - num_computed(len(times), 1.0)


def test_a_run_that_begins_with_a_picture_counts_its_own_steps() -> None:
    pipeline, skips = skipping(Straight(), TIMES, num_timesteps=6)
    for time in TIMES[-6:]:
        answer = pipeline.unet(torch.zeros(2), torch.tensor(time))[0]
        torch.testing.assert_close(answer, Straight()(torch.zeros(2), torch.tensor(time))[0])
    assert (skips.computed, skips.skipped) == (4, 2)


def test_calls_that_are_not_planned_are_computed() -> None:
    pipeline, skips = skipping(Straight(), TIMES)
    for _ in range(3 * STEPS):
        pipeline.unet(torch.zeros(2), torch.tensor(1.0))
    assert (skips.computed, skips.skipped) == (3 * STEPS - SKIPPED, SKIPPED)


def test_a_controlnet_is_skipped_with_the_denoiser() -> None:
    control = Straight()
    pipeline, skips = skipping(Straight(), TIMES, controlnet=control)
    for time in TIMES:
        latents = torch.zeros(2)
        pipeline.controlnet(latents, torch.tensor(time))
        # In half precision, each module gets a copy of the latents.
        pipeline.unet(latents.clone(), torch.tensor(time))
    assert control.calls == skips.computed == STEPS - SKIPPED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("skipping")
    qwen_image.qwen_image().save_pretrained(folder / "qwen-image")
    prepared(StableDiffusionPipeline).save_pretrained(folder / "stable-diffusion")
    return folder


@pytest.fixture
def calls() -> Iterator[tuple[Batcher, Counter[str], list[int]]]:
    parts, sizes = Counter[str](), list[int]()

    def note(ran: Any) -> None:
        parts[ran.options.part] += len(ran.batch.calls)
        sizes.append(len(ran.batch.calls))

    batcher = Batcher(64, 10**9, on_batch=note)
    yield batcher, parts, sizes
    batcher.close()


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=float) / 255


# Qwen-Image calls its denoiser once with each prompt.
@pytest.mark.parametrize(("family", "times"), [("stable-diffusion", 1), ("qwen-image", 2)])
def test_a_job_skips_its_own_calls_and_gets_the_same_picture_beside_seven_others(
    folder: Path, family: str, times: int, calls: tuple[Batcher, Counter[str], list[int]]
) -> None:
    accelerated = asked(family, num_inference_steps=STEPS, acceleration=1.0)
    plain = asked(family, num_inference_steps=STEPS)
    requests = [accelerated, *({**plain, "seed": seed} for seed in range(2, 9))]
    batcher, parts, sizes = calls
    gathered, serial = handler(folder / family, family, batcher), handler(folder / family, family)
    desks = [PlainDesk() for _ in requests]

    def job(index: int) -> Image.Image:
        with batcher.job(Going(), model="tiny"):
            picture: Image.Image = made(gathered, requests[index], desks[index])
            return picture

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(job, range(8)))
    full, alone = pixels(made(serial, plain)), pixels(made(serial, accelerated))
    # Of 255: where the rounding to 8 bits falls otherwise.
    assert np.abs(alone - pixels(together[0])).max() <= 1 / 255
    assert np.abs(pixels(made(serial, requests[4])) - pixels(together[4])).max() <= 1 / 255
    assert np.abs(alone - full).max() > 0
    assert np.square(alone - full).mean() < 1e-3
    assert max(sizes) > 2
    assert desks[0].denoised == (times * (STEPS - SKIPPED), times * SKIPPED)
    assert [desk.denoised for desk in desks[1:]] == [None] * 7
    assert parts["unet" if times == 1 else "transformer"] == times * (8 * STEPS - SKIPPED)
    assert desks[0].steps == desks[1].steps


def test_without_acceleration_the_bytes_are_the_same(folder: Path) -> None:
    serving = handler(folder / "stable-diffusion", "stable-diffusion")
    plain = made(serving, asked("stable-diffusion"))
    assert plain.tobytes() == made(serving, asked("stable-diffusion", acceleration=0.0)).tobytes()
    fast = partial(asked, "stable-diffusion", num_inference_steps=STEPS, acceleration=0.5)
    assert made(serving, fast()).tobytes() == made(serving, fast()).tobytes()


@pytest.mark.parametrize("scheduler", ["HeunDiscreteScheduler", "EulerAncestralDiscreteScheduler"])
def test_schedulers_with_several_calls_or_noise_in_a_step(folder: Path, scheduler: str) -> None:
    serving, context = handler(folder / "stable-diffusion", "stable-diffusion"), PlainDesk(watched=True)
    given = partial(asked, "stable-diffusion", num_inference_steps=STEPS, scheduler=scheduler)
    full, fast = pixels(made(serving, given())), pixels(made(serving, given(acceleration=1.0), context))
    number = context.steps[-1][1]
    assert context.denoised == (num_computed(number, 1.0), number - num_computed(number, 1.0))
    assert len(context.steps) == len(context.previews) == number
    assert np.square(fast - full).mean() < 1e-3


def test_too_few_steps_are_told(folder: Path) -> None:
    serving, context = handler(folder / "stable-diffusion", "stable-diffusion"), PlainDesk()
    fast = made(serving, asked("stable-diffusion", acceleration=1.0), context)
    assert [(each.code, each.field) for each in context.warnings] == [("parameter_ignored", "acceleration")]
    assert context.denoised == (2, 0)
    assert fast.tobytes() == made(serving, asked("stable-diffusion")).tobytes()


@pytest.mark.parametrize("kind", ["image-to-image", "inpainting"])
def test_kinds_that_begin_with_a_picture(folder: Path, kind: str) -> None:
    spec = place(folder / "stable-diffusion", "stable-diffusion")
    serving = load(type(spec)(**{**vars(spec), "kinds": (kind,)})).handlers[kind]
    context = PlainDesk()
    picture = context.give(Image.effect_noise((32, 32), 90).convert("RGB"))
    given = {**asked("stable-diffusion", num_inference_steps=2 * STEPS), "image": picture, "strength": 0.5}
    kind_of = ImageToImageRequest
    if kind == "inpainting":
        given["mask_image"], kind_of = context.give(Image.new("RGB", (32, 32), "white")), InpaintingRequest
    serving.perform(kind_of.model_validate({**given, "acceleration": 1.0}), context)
    assert context.denoised == (STEPS - SKIPPED, SKIPPED)


def test_the_diffusion_upscaler_skips_calls(tmp_path: Path) -> None:
    folder = upscaler.save(tmp_path)
    model = Model(name="tiny", family="stable-diffusion-upscale", source=Source(folder=folder))
    spec = LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), ("image-upscaling",))
    serving, context = load_upscaler(spec).handlers["image-upscaling"], PlainDesk()
    image = context.give(Image.effect_noise((16, 16), 90).convert("RGB"))
    given = {
        "image": image,
        "num_inference_steps": STEPS,
        "guidance_scale": 2.0,
        "noise_level": 20,
        "seed": 1,
    }
    full, fast = (
        pixels(serving.perform(ImageUpscalingRequest.model_validate(given | more), context)["image"].pil())
        for more in ({}, {"acceleration": 1.0})
    )
    assert context.denoised == (STEPS - SKIPPED, SKIPPED)
    assert 0 < np.square(fast - full).mean() < 1e-2


def test_a_job_replaces_nothing_but_its_own_modules() -> None:
    loaded = prepared(StableDiffusionPipeline)
    pipelines = Pipelines(loaded, "stable-diffusion", SerialExecutor(), CallOptions("tiny"))
    own, other = pipelines.new("text-to-image"), pipelines.new("text-to-image")
    before = type(own.unet), type(loaded.unet)
    StepSkipping(own, 1.0)
    assert type(own.unet) is not before[0]
    assert (type(other.unet), type(loaded.unet)) == before
    assert isinstance(own.unet, type(loaded.unet))
    assert own.unet.config is loaded.unet.config
