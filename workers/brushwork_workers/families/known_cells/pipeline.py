"""Inpainting with a denoiser that was trained for text-to-image only.

The inpainting pipeline of diffusers takes denoisers with four or nine input channels only. This one serves
denoisers with another number of latent channels. They need no training for it: the cells outside of the mask
hold the surroundings, and of several candidates the one that agrees best with them is chosen.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from diffusers import StableDiffusionImg2ImgPipeline
from diffusers.pipelines.stable_diffusion.pipeline_output import StableDiffusionPipelineOutput
from PIL import Image

from brushwork_workers.families.known_cells.masked_area import MaskedArea

# As Any, because most attributes of pipelines have no annotations.
_ImageToImage: Any = StableDiffusionImg2ImgPipeline
_STOCK_CHANNELS = (4, 9)
_CANDIDATES = 3
"""The number of pictures that are generated for one result."""
_JUDGED_CALL = 2
"""The call of the denoiser, from 0, after which candidates are compared: then their layout is fixed."""
_SEED_DISTANCE = 1_000_003


def inpaints_known_cells(unet: Any) -> bool:
    """Return whether a denoiser has a number of channels that the pipeline of diffusers does not take."""
    return unet is not None and unet.config.in_channels not in _STOCK_CHANNELS


class KnownCellsInpaintPipeline(_ImageToImage):  # type: ignore[misc]
    """Generates the masked part of a picture. The other pixels stay exactly as they are."""

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        image: Image.Image | list[Image.Image],
        mask_image: Image.Image,
        strength: float = 1.0,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.5,
        negative_prompt: str | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
    ) -> StableDiffusionPipelineOutput:
        """Generate pictures from one prompt, one picture and one mask.

        Args:
            prompt: The prompt.
            image: The picture, or equal copies of it, one for each result.
            mask_image: The mask in the size of the picture. White pixels are generated.
            strength: The share of the denoising steps that are run, 0 to 1.
            num_inference_steps: The number of denoising steps.
            guidance_scale: The guidance scale.
            negative_prompt: The negative prompt.
            num_images_per_prompt: The number of results.
            generator: The generators of the results.
            clip_skip: The number of layers of the text encoder that are skipped.
            callback_on_step_end: Called after each step.
        """
        picture = image[0] if isinstance(image, list) else image
        side = self.unet.config.sample_size * self.vae_scale_factor
        area = MaskedArea.of(picture, mask_image, side, self.vae_scale_factor)
        known = self._latents(area.plain_crop())
        denoiser = _MaskedDenoiser(
            self.unet, area.cells, known, guidance_scale, self.scheduler.alphas_cumprod
        )
        self.__dict__["unet"] = denoiser
        number = num_images_per_prompt * _CANDIDATES

        def on_step_end(
            pipeline: Any, step: int, timestep: object, tensors: dict[str, Any]
        ) -> dict[str, Any]:
            tensors["latents"] = denoiser.with_known_cells(tensors["latents"])
            if callback_on_step_end is not None:
                shown = {**tensors, "latents": tensors["latents"][::_CANDIDATES]}
                callback_on_step_end(pipeline, step, timestep, shown)
            return {"latents": tensors["latents"]}

        try:
            output = super().__call__(
                prompt=centred(prompt),
                image=[area.original_crop()] * number,
                strength=strength,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                negative_prompt=negative_prompt,
                num_images_per_prompt=number,
                generator=_generators(generator),
                clip_skip=clip_skip,
                callback_on_step_end=on_step_end,
            )
        finally:
            self.__dict__["unet"] = denoiser.unet
        chosen = denoiser.errors.reshape(num_images_per_prompt, _CANDIDATES).argmin(1).tolist()
        best = [output.images[row * _CANDIDATES + index] for row, index in enumerate(chosen)]
        return StableDiffusionPipelineOutput([area.pasted(each) for each in best], None)

    def _latents(self, picture: Image.Image) -> torch.Tensor:
        pixels = self.image_processor.preprocess(picture).to(self.device, self.vae.dtype)
        encoded = self.vae.encode(pixels)
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        scaled: torch.Tensor = self.vae.config.scaling_factor * latents
        return scaled


def centred(prompt: str) -> str:
    """Return a prompt of an object in the middle: that is where the mask is in the crop.

    English and Chinese prompts get the words of their language. Words for other places stay.
    """
    if re.search(r"[\u4e00-\u9fff]", prompt):
        placed, count = re.subn(r"背景上的?", "背景上中间的", prompt, count=1)
        return placed if count else f"中间的{prompt}"
    words = prompt.rstrip(" .")
    placed, count = re.subn(r" (?=on an? \w+ background)", " in the center ", words, count=1)
    return placed if count else f"{words} in the center"


def _generators(
    given: torch.Generator | list[torch.Generator] | None,
) -> list[torch.Generator] | None:
    """Return the generators of all candidates. The first candidate of a result has the seed of the result."""
    if given is None:
        return None
    own = given if isinstance(given, list) else [given]
    seeds = [each.initial_seed() + index * _SEED_DISTANCE for each in own for index in range(_CANDIDATES)]
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


class _MaskedDenoiser:
    """Replaces the denoiser in the pipeline of one job: its input has the known latents outside of the mask.

    Args:
        unet: The denoiser.
        cells: The cells that are generated, `[1, 1, height, width]`.
        known: The latents of the surroundings, `[1, channels, height, width]`.
        guidance: The guidance scale of the job.
        alphas: The share of the signal of each timestep, `[timesteps]`.
    """

    def __init__(
        self, unet: Any, cells: torch.Tensor, known: torch.Tensor, guidance: float, alphas: torch.Tensor
    ) -> None:
        self.unet = unet
        self.errors = torch.zeros(0)
        self._cells, self._known = cells.to(known.device), known
        self._guidance, self._alphas = guidance, alphas
        self._calls = 0

    def with_known_cells(self, latents: torch.Tensor) -> torch.Tensor:
        """Return latents with the known ones outside of the mask."""
        return torch.where(self._cells, latents, self._known.to(latents.dtype))

    def __call__(self, sample: torch.Tensor, timestep: torch.Tensor, **kwargs: Any) -> Any:
        """Predict the velocity of latents, whose known cells are replaced first."""
        output = self.unet(self.with_known_cells(sample), timestep, **kwargs)
        if self._calls <= _JUDGED_CALL:
            self.errors = self._errors(output[0], float(self._alphas[int(timestep)]))
        self._calls += 1
        return output

    def _errors(self, velocity: torch.Tensor, alpha: float) -> torch.Tensor:
        """Return how much each candidate would change the known cells, `[n]`."""
        if self._guidance > 1:
            without, with_prompt = velocity.chunk(2)
            velocity = without + self._guidance * (with_prompt - without)
        change = (1 - alpha) ** 0.5 * velocity.float() + (1 - alpha**0.5) * self._known.float()
        squares = change.square().mean(1, keepdim=True) * ~self._cells
        errors: torch.Tensor = squares.sum((1, 2, 3))
        return errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unet, name)
