"""All pipelines of one loaded model: a class of diffusers for each kind of job, the components shared."""

import inspect
import threading
from typing import Any

import diffusers
from brushwork_schemas.errors import InvalidRequest
from torch import nn

from brushwork_workers.batching.call_options import Adapters, CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.diffusion.schedulers import check_begins_with_picture

# For each kind: the class, and the class that goes by a ControlNet, where diffusers has one. Not counted are
# those whose control picture is the picture to be inpainted: they have no room for another.
_CLASSES: dict[str, dict[str, tuple[str, str | None]]] = {
    "stable-diffusion": {
        "text-to-image": ("StableDiffusionPipeline", "StableDiffusionControlNetPipeline"),
        "image-to-image": ("StableDiffusionImg2ImgPipeline", "StableDiffusionControlNetImg2ImgPipeline"),
        "inpainting": ("StableDiffusionInpaintPipeline", "StableDiffusionControlNetInpaintPipeline"),
    },
    "stable-diffusion-xl": {
        "text-to-image": ("StableDiffusionXLPipeline", "StableDiffusionXLControlNetPipeline"),
        "image-to-image": ("StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLControlNetImg2ImgPipeline"),
        "inpainting": ("StableDiffusionXLInpaintPipeline", "StableDiffusionXLControlNetInpaintPipeline"),
    },
    "stable-diffusion-3": {
        "text-to-image": ("StableDiffusion3Pipeline", "StableDiffusion3ControlNetPipeline"),
        "image-to-image": ("StableDiffusion3Img2ImgPipeline", None),
        "inpainting": ("StableDiffusion3InpaintPipeline", None),
    },
    "flux": {
        "text-to-image": ("FluxPipeline", "FluxControlNetPipeline"),
        "image-to-image": ("FluxImg2ImgPipeline", "FluxControlNetImg2ImgPipeline"),
        "inpainting": ("FluxInpaintPipeline", "FluxControlNetInpaintPipeline"),
    },
    "qwen-image": {
        "text-to-image": ("QwenImagePipeline", "QwenImageControlNetPipeline"),
        "image-to-image": ("QwenImageImg2ImgPipeline", None),
        "inpainting": ("QwenImageInpaintPipeline", None),
    },
    "pixart-sigma": {"text-to-image": ("PixArtSigmaPipeline", None)},
    "sana": {"text-to-image": ("SanaPipeline", "SanaControlNetPipeline")},
}


class Pipelines:
    """Hands out a pipeline for each job, of the class that its kind needs.

    Not diffusers' `from_pipe`, which casts the shared weights to float32 unless told otherwise, and shares
    the scheduler.

    Args:
        pipeline: The loaded `DiffusionPipeline`, of whatever class its folder names.
        family: Of the catalogue.
        model_executor: Through which the heavy modules are called.
        options: On what terms; part, pixels and adapters are filled in for each job.
    """

    def __init__(
        self, pipeline: Any, family: str, model_executor: ModelExecutor, options: CallOptions
    ) -> None:
        self.loaded = pipeline
        self.family = family
        self._copies = PipelineCopies(pipeline, model_executor, options)
        self._built: dict[tuple[str, int], Any] = {}
        self._building = threading.Lock()

    @property
    def modules(self) -> list[nn.Module]:
        """All that hold weights, add-ons left out."""
        return self._copies.modules

    def new(
        self,
        kind: str,
        *,
        scheduler: str | None = None,
        pixels: int = 1,
        controlnet: Any = None,
        adapters: Adapters | None = None,
    ) -> Any:
        """A pipeline that only this job has: its modules are stand-ins, its scheduler is its own.

        Args:
            kind: Of the job.
            scheduler: A scheduler class of diffusers; by default the model's own.
            pixels: Of one picture that it will make.
            controlnet: The loaded module, if the job goes by one; it is replaced by a stand-in.
            adapters: The state in which the denoiser and the text encoders are to be.

        Raises:
            InvalidRequest: diffusers has no such class, or the scheduler does not suit model and kind.
        """
        original = self._original(self._class_name(kind, controlnet is not None), controlnet)
        pipeline = self._copies.new(scheduler, pixels, original=original, adapters=adapters)
        if kind != "text-to-image":
            check_begins_with_picture(self.loaded.scheduler, pipeline.scheduler)
        return pipeline

    def _class_name(self, kind: str, has_controlnet: bool) -> str:
        plain, with_controlnet = _CLASSES[self.family][kind]
        if not has_controlnet:
            return plain
        if with_controlnet is None:
            raise InvalidRequest(
                f"controlnet: {self.family} models have no {kind} with a ControlNet.",
                field="controlnet",
                hint="Leave out controlnet and control_image, or choose a model of another family.",
            )
        return with_controlnet

    def _original(self, class_name: str, controlnet: Any) -> Any:
        """What jobs get copies of; made once, and kept."""
        if type(self.loaded).__name__ == class_name:
            return self.loaded
        with self._building:
            key = class_name, id(controlnet)
            if key not in self._built:
                self._built[key] = self._build(class_name, controlnet)
            return self._built[key]

    def _build(self, class_name: str, controlnet: Any) -> Any:
        pipeline_type = getattr(diffusers, class_name)
        parameters = inspect.signature(pipeline_type.__init__).parameters
        # Components come last: the configuration has entries of their names.
        components = {**self.loaded.config, **self.loaded.components, "controlnet": controlnet}
        pipeline = pipeline_type(**{name: value for name, value in components.items() if name in parameters})
        pipeline.set_progress_bar_config(disable=True)
        return pipeline
