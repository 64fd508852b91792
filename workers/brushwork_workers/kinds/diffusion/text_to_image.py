"""Pictures from prompts: any diffusers text-to-image pipeline, unmodified."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from brushwork_schemas.requests import TextToImageRequest
from diffusers import DiffusionPipeline
from PIL import Image

from brushwork_workers.desk import Desk
from brushwork_workers.kinds.diffusion.forecast import Forecast
from brushwork_workers.kinds.diffusion.latent_colours import LatentColours
from brushwork_workers.kinds.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.served import Place

LOGGER = logging.getLogger(__name__)


class TextToImage:
    """A loaded pipeline. Each job gets a shallow copy with a scheduler and stand-ins of its own.

    Args:
        place: Which model, from where, onto what.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        pipeline = DiffusionPipeline.from_pretrained(
            place.folder, dtype=place.dtype, use_safetensors=True, local_files_only=True
        ).to(place.device)
        pipeline.set_progress_bar_config(disable=True)
        self.modules = [each for each in pipeline.components.values() if isinstance(each, torch.nn.Module)]
        self._copies = PipelineCopies(pipeline, place.calls, place.terms)
        self._colours = LatentColours.fitted(getattr(pipeline, "vae", None))

    def warm_up(self) -> None:
        """Make one picture in two steps."""
        defaults = self._place.model.defaults
        sides = {side: defaults[side] for side in ("width", "height") if side in defaults}
        self._copies.new()("", num_inference_steps=2, **sides)

    def perform(self, request: TextToImageRequest, desk: Desk) -> dict[str, Any]:
        """Make the pictures of one job; picture i from the seed `seed + i`."""
        seed = request.seed or 0
        seeds = tuple(seed + index for index in range(request.num_images_per_prompt))
        pixels = (request.width or 1) * (request.height or 1)
        pipeline = self._copies.new(request.scheduler, pixels)
        pictures: list[Image.Image] = pipeline(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt or None,
            width=request.width,
            height=request.height,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            num_images_per_prompt=request.num_images_per_prompt,
            # On the CPU, so that a seed means the same picture on every device.
            generator=[torch.Generator("cpu").manual_seed(each) for each in seeds],
            callback_on_step_end=self._reporting(desk, request, Forecast(pipeline.scheduler)),
        ).images
        return {
            "images": tuple(desk.keep(picture) for picture in pictures),
            "seed": seed,
            "seeds": seeds,
        }

    def _reporting(
        self, desk: Desk, request: TextToImageRequest, forecast: Forecast
    ) -> Callable[..., dict[str, Any]]:
        def report(pipeline: Any, step: int, timestep: object, tensors: dict[str, Any]) -> dict[str, Any]:
            # Some schedulers take more model calls than steps; the pipeline knows how many.
            desk.step(step + 1, getattr(pipeline, "num_timesteps", request.num_inference_steps or 0))
            if self._colours is not None and desk.wants_preview():
                latents = tensors["latents"] if forecast.latents is None else forecast.latents
                _show(latents, pipeline, request, self._colours, desk)
            return {}

        return report


def _show(
    latents: torch.Tensor, pipeline: Any, request: TextToImageRequest, colours: LatentColours, desk: Desk
) -> None:
    try:
        # Flux and its kin keep latents as a list of patches.
        if latents.ndim == 3:
            sides = request.height, request.width
            latents = pipeline._unpack_latents(latents, *sides, pipeline.vae_scale_factor)
        desk.preview(colours.picture(latents))
    # A preview is a courtesy: no job fails for one.
    except Exception as error:
        LOGGER.debug("No preview: %r", error)
