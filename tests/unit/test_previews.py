"""Previews from latents: of every family, by every sort of scheduler, and of the model that ships."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.families.registry import family_of
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.diffusion.forecast import Forecast
from brushwork_workers.families.diffusion.latent_colours import LatentColours, sample_pictures
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import Handler, LoadSpec
from brushwork_workers.pocket import WEIGHTS
from diffusers import AutoencoderKL, DiffusionPipeline
from diffusers.configuration_utils import FrozenDict
from PIL import Image

from tests.desks import PlainDesk
from tests.tiny_models import autoencoder
from tests.tiny_pipelines import FAMILIES, stable_diffusion_3

CPU = torch.device("cpu")
# The shapes that a picture of one or several has, 32 x 48 each.
SIZES = {1: (48, 32), 2: (96, 32), 3: (96, 64)}


def handler(folder: Path) -> Handler:
    family = family_of(json.loads((folder / "model_index.json").read_text())["_class_name"])
    assert family is not None
    model = Model(name="m", family=family.name, source=Source(folder=folder))
    place = LoadSpec(model, folder, CPU, torch.float32, SerialExecutor(), ("text-to-image",))
    return load(place).handlers["text-to-image"]


def request(**changes: object) -> TextToImageRequest:
    fields = {"prompt": "a red circle", "width": 48, "height": 32, "num_inference_steps": 3}
    return TextToImageRequest.model_validate({**fields, "guidance_scale": 2.0, "seed": 7, **changes})


def likeness(one: Image.Image, other: Image.Image) -> float:
    """Correlation of their pixels."""
    sides = other.size
    pixels = [np.asarray(picture.resize(sides), dtype=float).ravel() for picture in (one, other)]
    return float(np.corrcoef(pixels)[0, 1])


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[type[DiffusionPipeline]], Handler]:
    """One of each family, loaded when it is asked for."""

    @cache
    def loaded(family: type[DiffusionPipeline]) -> Handler:
        folder = tmp_path_factory.mktemp(family.__name__)
        FAMILIES[family]().save_pretrained(folder)
        return handler(folder)

    return loaded


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_has_previews(
    handlers: Callable[[type[DiffusionPipeline]], Handler], family: type[DiffusionPipeline], number: int
) -> None:
    context = PlainDesk(watched=True)
    handlers(family).perform(request(num_images_per_prompt=number), context)
    assert [preview.size for preview in context.previews] == [SIZES[number]] * 3
    assert all(np.asarray(preview).std() > 1 for preview in context.previews)


@pytest.fixture(scope="module")
def pocket() -> Handler:
    return handler(WEIGHTS / "pocket-diffusion")


class TestPocket:
    @pytest.mark.parametrize(
        "scheduler",
        [
            None,
            "DPMSolverMultistepScheduler",
            "EulerDiscreteScheduler",
            "EulerAncestralDiscreteScheduler",
            "UniPCMultistepScheduler",
        ],
    )
    def test_previews_come_to_resemble_the_picture(self, pocket: Handler, scheduler: str | None) -> None:
        asked = request(
            prompt="a yellow ring left of a green square on a gray background",
            num_inference_steps=12,
            width=64,
            height=64,
            scheduler=scheduler,
        )
        context = PlainDesk(watched=True)
        made = pocket.perform(asked, context)["images"][0].pil()
        alike = [likeness(preview, made) for preview in context.previews]
        assert alike[-1] > 0.6
        # What the scheduler foresees is the picture long before the noise is gone.
        assert alike[5] > 0.8 * alike[-1]

    def test_nobody_looks_nothing_is_made(self, pocket: Handler) -> None:
        context = PlainDesk(watched=False)
        pocket.perform(request(width=64, height=64), context)
        assert context.previews == []

    def test_to_look_changes_no_pixel(self, pocket: Handler) -> None:
        files = [
            pocket.perform(request(width=64, height=64), PlainDesk(watched=watched))["images"][0].sha256
            for watched in (False, True)
        ]
        assert files[0] == files[1]

    def test_a_preview_that_fails_costs_no_job(self, pocket: Handler) -> None:
        class Clumsy(PlainDesk):
            def preview(self, picture: Image.Image) -> None:
                raise OSError("no room")

        assert pocket.perform(request(width=64, height=64), Clumsy(watched=True))["images"]


class TestForecast:
    def test_flow_matching_foresees_the_end_when_the_model_is_right(self) -> None:
        """With the true velocity, noise minus picture, every step foresees the very picture."""
        scheduler = stable_diffusion_3().scheduler
        forecast = Forecast(scheduler)
        scheduler.set_timesteps(5)
        picture, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        latents = noise
        for timestep in scheduler.timesteps:
            latents = scheduler.step(noise - picture, timestep, latents, return_dict=False)[0]
            assert forecast.latents is not None
            assert torch.allclose(forecast.latents, picture, atol=1e-5)
        assert torch.allclose(latents, picture, atol=1e-5)

    def test_a_scheduler_that_is_not_understood_costs_no_job(self) -> None:
        class Odd:
            config = FrozenDict(base_shift=0.5)
            step_index = 1
            sigmas = None

            def step(self, model_output: object, timestep: object, sample: object) -> tuple[str]:
                return ("stepped",)

        scheduler = Odd()
        forecast = Forecast(scheduler)
        assert scheduler.step(torch.ones(1), 1, torch.ones(1)) == ("stepped",)
        assert forecast.latents is None

    def test_where_nothing_is_foreseen_there_are_the_latents(
        self, handlers: Callable[[type[DiffusionPipeline]], Handler]
    ) -> None:
        context = PlainDesk(watched=True)
        asked = request(scheduler="PNDMScheduler", num_inference_steps=4)
        handlers(diffusers.StableDiffusionPipeline).perform(asked, context)
        assert len(context.previews) >= 4


class TestColours:
    def test_sample_pictures_are_pictures_and_always_the_same(self) -> None:
        pictures = sample_pictures(8, 16)
        assert pictures.shape == (8, 3, 16, 16)
        assert (pictures.amin(), pictures.amax()) == (0, 1)
        assert torch.equal(pictures, sample_pictures(8, 16))

    def test_a_linear_autoencoder_is_found_exactly(self) -> None:
        """Latents that are pixels, mixed, scaled and shifted, give those pixels back."""

        class Linear(torch.nn.Module):
            config = FrozenDict(scaling_factor=0.3, shift_factor=0.2)
            device, dtype = CPU, torch.float32

            def encode(self, pictures: torch.Tensor) -> diffusers.utils.BaseOutput:
                mixed = torch.nn.functional.pixel_unshuffle(pictures, 2)[:, torch.arange(11, -1, -1)]
                return diffusers.utils.BaseOutput(latents=0.7 * mixed + 0.1)

        colours = LatentColours.fitted(Linear())
        assert colours is not None
        picture = Image.fromarray((sample_pictures(9, 64)[8].permute(1, 2, 0) * 255).byte().numpy())
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
        latents = (Linear().encode(pixels * 2 - 1).latents - 0.2) * 0.3
        assert likeness(colours.picture(latents), picture) > 0.99

    def test_an_autoencoder_of_means_and_deviations(self) -> None:
        plain = autoencoder()
        moved = autoencoder(latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[0.5, 2.0, 1.0, 3.0])
        latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        config = moved.config
        as_seen = (latents - torch.tensor(config.latents_mean).view(1, -1, 1, 1)) / torch.tensor(
            config.latents_std
        ).view(1, -1, 1, 1)
        ones = [LatentColours.fitted(each) for each in (plain, moved)]
        assert all(ones)
        shown = [
            one.picture(given * config.scaling_factor)
            for one, given in zip(ones, (latents, as_seen), strict=True)
            if one
        ]
        assert likeness(*shown) > 0.9

    def test_half_precision_is_raised_where_the_encoder_needs_it(self) -> None:
        half = autoencoder(force_upcast=True).half()
        assert LatentColours.fitted(half) is not None
        assert half.dtype is torch.float16

    def test_what_encodes_no_pictures_has_no_previews(self) -> None:
        class Overflowing(AutoencoderKL):
            def encode(self, *args: object) -> object:
                return diffusers.utils.BaseOutput(latents=torch.full((32, 4, 8, 8), torch.nan))

        assert LatentColours.fitted(None) is None
        assert LatentColours.fitted(torch.nn.Linear(2, 2)) is None
        assert LatentColours.fitted(Overflowing()) is None

    @pytest.mark.parametrize(
        ("latents", "size"),
        [((1, 4, 8, 8), (16, 16)), ((1, 4, 200, 100), (128, 256)), ((16, 4, 64, 64), (256, 256))],
    )
    def test_a_preview_is_at_most_256_pixels_a_side(
        self, latents: tuple[int, ...], size: tuple[int, int]
    ) -> None:
        colours = LatentColours.fitted(autoencoder())
        assert colours is not None
        assert colours.picture(torch.full(latents, torch.nan)).size == size
