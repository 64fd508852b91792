"""Upscaling by a factor of four with the Stable Diffusion upscaler of diffusers, guided by a prompt."""

from collections.abc import Callable
from typing import Any

import torch
from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingRequest
from brushwork_schemas.warnings import result_warning
from PIL import Image

from brushwork_workers.families.diffusion.latent_colours import LatentColours
from brushwork_workers.families.diffusion.loading import read
from brushwork_workers.families.diffusion.pipeline_copies import PipelineCopies
from brushwork_workers.families.diffusion.prompt_tokens import chunked_embeddings, number_of_chunks
from brushwork_workers.families.diffusion.run_checks import RunChecks, run_checked
from brushwork_workers.families.engine_modules import modules_of_pipeline
from brushwork_workers.families.step_skipping import StepSkipping
from brushwork_workers.families.upscaling.edges import pad_to
from brushwork_workers.families.upscaling.size_limit import check_output_size
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

WARM_UP_SIDE = 64


def load(spec: LoadSpec) -> LoadedModules:
    """Load the pipeline as a handler of image upscaling."""
    pipeline = read(spec)
    copies = PipelineCopies(pipeline, spec.model_executor, spec.options)
    handler = DiffusionUpscaler(spec.model, pipeline, copies)
    return LoadedModules({"image-upscaling": handler}, copies.modules, modules_of_pipeline(pipeline))


class DiffusionUpscaler:
    """Handles image upscaling with a diffusion pipeline. Its latents have the size of the input picture.

    Args:
        model: The catalogue entry of the model.
        pipeline: The loaded `StableDiffusionUpscalePipeline`.
        copies: Makes a copy of the pipeline for each job.
    """

    def __init__(self, model: Model, pipeline: Any, copies: PipelineCopies) -> None:
        self._model = model
        self._copies = copies
        self._scale: int = pipeline.vae_scale_factor
        self._colours = LatentColours.fitted(pipeline.vae)

    def warm_up(self) -> None:
        """Upscale a black picture in two steps."""
        black = Image.new("RGB", (WARM_UP_SIDE, WARM_UP_SIDE))
        self._copies.new()(prompt="", image=black, num_inference_steps=2)

    def perform(self, request: ImageUpscalingRequest, context: JobContext) -> dict[str, Any]:
        """Upscale one picture by the factor of the autoencoder."""
        picture = context.picture(request.image)
        check_output_size(picture, self._scale, self._model)
        size = picture.width * self._scale, picture.height * self._scale
        # The pipeline would shrink the picture to whole multiples. Padding it avoids that; the output is
        # cropped.
        padded_picture = pad_to(picture, *(-(-side // self._scale) * self._scale for side in picture.size))
        if request.negative_prompt.strip() and (request.guidance_scale or 0.0) <= 1:
            context.warn(result_warning("parameter_ignored", "negative_prompt", reason="no_guidance"))
        prompts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}

        def run(checks: RunChecks) -> Any:
            pipeline = self._copies.new(pixels=size[0] * size[1], checks=checks)
            skipping = StepSkipping(pipeline, request.acceleration) if request.acceleration else None
            upscaled = pipeline(
                **_texts(pipeline, request),
                image=padded_picture,
                num_inference_steps=request.num_inference_steps,
                noise_level=request.noise_level,
                # On the CPU, so that a seed gives the same random numbers on every device.
                generator=torch.Generator("cpu").manual_seed(request.seed or 0),
                callback=self._step_callback(context, request.num_inference_steps or 0),
            )
            if skipping is not None:
                skipping.report(context)
            return upscaled

        output = run_checked(run, model=self._model.name, prompts=prompts, warn=context.warn).images[0]
        return {
            "image": context.save_picture(output.crop((0, 0, *size))),
            "scale": float(self._scale),
            "seed": request.seed or 0,
        }

    def _step_callback(
        self, context: JobContext, num_steps: int
    ) -> Callable[[int, object, torch.Tensor], None]:
        def report(step: int, timestep: object, latents: torch.Tensor) -> None:
            context.progress(step + 1, num_steps)
            if self._colours is not None and context.wants_preview():
                context.show_preview(self._colours.picture(latents))

        return report


def _texts(pipeline: Any, request: ImageUpscalingRequest) -> dict[str, Any]:
    """Return the arguments of the pipeline for its prompts."""
    arguments = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt or None,
        "guidance_scale": request.guidance_scale,
    }
    count = number_of_chunks(pipeline, [request.prompt, request.negative_prompt])
    return chunked_embeddings(pipeline, arguments, count) if count > 1 else arguments
