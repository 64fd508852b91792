"""text-to-image on a tiny Stable Diffusion of the real classes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import JobStopped
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

from tests.desks import PlainDesk
from tests.stops import Going
from tests.tiny_models import save_stable_diffusion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stable_diffusion(tmp_path_factory.mktemp("tiny-sd"))


def place(folder: Path) -> LoadSpec:
    model = Model(name="tiny", family="stable-diffusion", source=Source(folder=folder))
    return LoadSpec(model, folder, torch.device("cpu"), torch.float32, SerialExecutor(), ("text-to-image",))


@pytest.fixture(scope="module")
def handler(folder: Path) -> Handler:
    return load(place(folder)).handlers["text-to-image"]


def request(**changes: object) -> TextToImageRequest:
    fields = {
        "prompt": "a red circle",
        "width": 32,
        "height": 32,
        "num_inference_steps": 4,
        "guidance_scale": 3.0,
        "seed": 7,
    }
    return TextToImageRequest.model_validate(fields | changes)


def pixels(handler: Handler, **changes: object) -> list[np.ndarray]:
    made = handler.perform(request(**changes), PlainDesk())
    return [np.asarray(image.pil(), dtype=float) for image in made["images"]]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"negative_prompt": "a blue star"},
        {"guidance_scale": 1.0},
        {"scheduler": "EulerDiscreteScheduler"},
        {"width": 48},
    ],
    ids=str,
)
def test_equals_the_stock_pipeline(folder: Path, handler: Handler, changes: dict[str, object]) -> None:
    asked = request(**changes)
    stock = StableDiffusionPipeline.from_pretrained(folder)
    stock.set_progress_bar_config(disable=True)
    if asked.scheduler:
        stock.scheduler = EulerDiscreteScheduler.from_config(stock.scheduler.config)
    expected = stock(
        asked.prompt,
        negative_prompt=asked.negative_prompt or None,
        width=asked.width,
        height=asked.height,
        num_inference_steps=asked.num_inference_steps,
        guidance_scale=asked.guidance_scale,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    difference = np.abs(pixels(handler, **changes)[0] - np.asarray(expected, dtype=float))
    assert difference.max() / 255 <= 1e-3
    assert np.asarray(expected).std() > 1  # the comparison is of pictures, not of blank canvases


def test_a_seed_is_a_picture(handler: Handler) -> None:
    context = PlainDesk()
    first = handler.perform(request(), context)
    again = handler.perform(request(), context)
    other = handler.perform(request(seed=8), context)
    assert first["images"][0].sha256 == again["images"][0].sha256
    assert first["images"][0].sha256 != other["images"][0].sha256


def test_each_picture_of_a_job_has_its_own_seed(handler: Handler) -> None:
    together = handler.perform(request(num_images_per_prompt=3), PlainDesk())
    assert together["seeds"] == (7, 8, 9)
    alone = pixels(handler, seed=9)[0]
    # Of 255: rows of a batch round otherwise than a row alone.
    assert np.abs(alone - np.asarray(together["images"][2].pil(), dtype=float)).max() <= 1


def test_threads_do_not_disturb_each_other(handler: Handler) -> None:
    # Many jobs of few steps: what threads could disturb lies between the model calls.
    asked = [{"seed": seed, "num_inference_steps": 1 + seed % 3} for seed in range(24)]
    alone = [pixels(handler, **changes)[0] for changes in asked]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda changes: pixels(handler, **changes)[0], asked))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def test_gathered_calls_give_the_pictures_made_alone(folder: Path, handler: Handler) -> None:
    asked = [
        {"seed": seed, "num_inference_steps": 3 + seed % 4, "guidance_scale": 1.0 + seed % 3}
        for seed in range(8)
    ]
    asked[3]["scheduler"] = "EulerDiscreteScheduler"
    alone = [pixels(handler, **changes)[0] for changes in asked]
    rows: list[int] = []
    calls = Batcher(64, 10**9, on_batch=lambda ran: rows.append(len(ran.batch.calls)), is_cooperative=True)
    gathering = load(replace(place(folder), model_executor=calls)).handlers["text-to-image"]

    def job(changes: dict[str, object]) -> np.ndarray:
        with calls.job(Going()):
            return pixels(gathering, **changes)[0]

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(job, asked))
    calls.close()
    assert max(rows) > 2
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() <= 1  # of 255, where the rounding to 8 bits falls otherwise


def test_progress_counts_every_step(handler: Handler) -> None:
    context = PlainDesk()
    handler.perform(request(), context)
    assert context.steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_job_leaves_at_the_step_that_says_stop(handler: Handler) -> None:
    def stop(step: int, total: int) -> None:
        if step == 2:
            raise JobStopped("canceled")

    context = PlainDesk(on_step=stop)
    with pytest.raises(JobStopped):
        handler.perform(request(), context)
    assert len(context.steps) == 2
