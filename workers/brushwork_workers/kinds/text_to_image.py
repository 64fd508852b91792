"""Pictures from prompts: any diffusers text-to-image pipeline, unmodified."""

import copy
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.requests import TextToImageRequest
from diffusers import DiffusionPipeline
from PIL import Image

from brushwork_workers.calls import DirectCalls, StandIn
from brushwork_workers.desk import Desk
from brushwork_workers.served import Place

# Called as a whole, or by these methods as well.
_HEAVY = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "vae", "image_encoder")
_HEAVY_METHODS = {"vae": ("encode", "decode")}


class TextToImage:
    """A loaded pipeline. Each job gets a shallow copy with a scheduler and stand-ins of its own.

    Args:
        place: Which model, from where, onto what.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._pipeline = DiffusionPipeline.from_pretrained(
            place.folder, dtype=place.dtype, use_safetensors=True, local_files_only=True
        ).to(place.device)
        self._pipeline.set_progress_bar_config(disable=True)
        # Every method of a fast tokenizer may set the padding that another thread's call is about to use.
        self._tokenizing = DirectCalls()

    def warm_up(self) -> None:
        """Make one picture in two steps."""
        defaults = self._place.model.defaults
        sides = {side: defaults[side] for side in ("width", "height") if side in defaults}
        self._job_pipeline(None)("", num_inference_steps=2, **sides)

    def perform(self, request: TextToImageRequest, desk: Desk) -> dict[str, Any]:
        """Make the pictures of one job; picture i from the seed `seed + i`."""
        seed = request.seed or 0
        seeds = tuple(seed + index for index in range(request.num_images_per_prompt))
        pipeline = self._job_pipeline(request.scheduler)
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
            callback_on_step_end=_reporting(desk, request.num_inference_steps or 0),
        ).images
        return {
            "images": tuple(desk.keep(picture) for picture in pictures),
            "seed": seed,
            "seeds": seeds,
        }

    def _job_pipeline(self, scheduler: str | None) -> Any:
        """A copy that shares weights and nothing that changes while a job runs."""
        pipeline = copy.copy(self._pipeline)
        for name, component in self._pipeline.components.items():
            if component is None:
                continue
            if name in _HEAVY:
                component = StandIn(component, self._place.calls, _HEAVY_METHODS.get(name, ()))
            elif name.startswith("tokenizer"):
                component = StandIn(component, self._tokenizing, methods=None)
            # Past the pipeline's own setter, which would enter the stand-ins into its configuration.
            pipeline.__dict__[name] = component
        pipeline.__dict__["scheduler"] = self._new_scheduler(scheduler)
        return pipeline

    def _new_scheduler(self, name: str | None) -> Any:
        own = self._pipeline.scheduler
        if name is None:
            return type(own).from_config(own.config)
        scheduler_type = getattr(diffusers, name, None)
        if scheduler_type is None:
            raise InvalidRequest(f"scheduler: diffusers has no {name}.", field="scheduler")
        return scheduler_type.from_config(own.config)


def _reporting(desk: Desk, num_steps: int) -> Callable[..., dict[str, Any]]:
    def report(pipeline: Any, step: int, timestep: object, tensors: dict[str, Any]) -> dict[str, Any]:
        # Some schedulers take more model calls than steps; the pipeline knows how many.
        desk.step(step + 1, getattr(pipeline, "num_timesteps", num_steps))
        return {}

    return report
