"""Preview pictures of latents without decoding: a linear map from latents to colours.

A few linear weights are enough to show the picture in the latents of Stable Diffusion (Hugging Face forum,
"Decoding latents to RGB without upscaling", 2022). ComfyUI has such weights for each family. Here they are
fitted to the autoencoder of each model when the model is loaded, so that every model has them.
"""

import copy
import logging
import math
from functools import partial
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

LOGGER = logging.getLogger(__name__)
NUM_SAMPLES = 32
SAMPLE_SIDE = 64
# The sample pictures have at least this many latents per side, so that there are enough for the fit.
SAMPLE_LATENTS = 4
# The most pixels per side of each latent, which show details that are finer than a latent.
LARGEST_PATCH = 4
# The ridge penalty, relative to the mean square of a latent. Neighbouring latents are highly correlated.
RIDGE = 1e-3
PICTURE_SIDE = 256


class LatentColours:
    """A linear map from each latent and its eight neighbours to a patch of pixels.

    Args:
        weight: The weight of the convolution, (3 * patch * patch, channels, 3, 3).
        bias: The bias of the convolution, (3 * patch * patch,).
        patch: Pixels per side of the patch of each latent.
        scale: The ratio of the side of a picture to the side of its latents.
        of_decoder: Whether the latents are those that the decoder takes, not those that the denoiser uses.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, patch: int, scale: int, *, of_decoder: bool = False
    ) -> None:
        self._weight = weight
        self._bias = bias
        self._patch = patch
        self._scale = scale
        self.of_decoder = of_decoder

    @classmethod
    def fitted(cls, autoencoder: Any, *, of_decoder: bool = False) -> Self | None:
        """Fit the map of an autoencoder of diffusers. Return None if it does not encode pictures.

        Args:
            autoencoder: The autoencoder.
            of_decoder: Whether to fit it to the latents that its decoder takes, without the scale and shift
                that most denoisers use.
        """
        try:
            return cls._fit(_upcast(autoencoder), of_decoder=of_decoder)
        # An autoencoder of another type may raise any exception. The model then has no previews.
        except Exception as error:
            LOGGER.debug("No previews for %s: %r", type(autoencoder).__name__, error)
            return None

    @classmethod
    def of_pixels(cls, device: torch.device) -> Self:
        """Return the map of a pipeline that denoises pixels from -1 to 1, without an autoencoder."""
        weight = torch.zeros(3, 3, 3, 3)
        weight[:, :, 1, 1] = torch.eye(3) / 2
        return cls(weight.to(device), torch.full((3,), 0.5, device=device), patch=1, scale=1)

    def picture(self, latents: Tensor) -> Image.Image:
        """Show the pictures of a job in one picture, as a grid, at most 256 pixels per side.

        Args:
            latents: The latents that the map was fitted to, (pictures, channels, height, width).
        """
        padded = functional.pad(latents.to(self._weight), (1, 1, 1, 1), mode="replicate")
        colours = functional.pixel_shuffle(functional.conv2d(padded, self._weight, self._bias), self._patch)
        pixels = (colours.nan_to_num().clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        num_columns = math.ceil(math.sqrt(len(pixels)))
        height, width = (side * self._scale for side in latents.shape[-2:])
        scale = min(1.0, PICTURE_SIDE / (num_columns * max(height, width)))
        tile = (max(1, int(width * scale)), max(1, int(height * scale)))
        num_rows = math.ceil(len(pixels) / num_columns)
        sheet = Image.new("RGB", (tile[0] * num_columns, tile[1] * num_rows))
        for index, pixels_of_picture in enumerate(pixels):
            row, column = divmod(index, num_columns)
            shown = Image.fromarray(pixels_of_picture).resize(tile, Image.Resampling.BICUBIC)
            sheet.paste(shown, (column * tile[0], row * tile[1]))
        return sheet

    @classmethod
    @torch.no_grad()
    def _fit(cls, autoencoder: Any, *, of_decoder: bool) -> Self:
        """Fit the map by least squares, from the latents of sample pictures to their pixels."""
        encoded = partial(_encoded, autoencoder, of_decoder=of_decoder)
        scale = SAMPLE_SIDE // encoded(sample_pictures(1, SAMPLE_SIDE)).shape[-1]
        pictures = sample_pictures(NUM_SAMPLES, max(SAMPLE_SIDE, SAMPLE_LATENTS * scale))
        latents = encoded(pictures).float()
        patch = min(LARGEST_PATCH, scale)
        neighbours = functional.unfold(functional.pad(latents, (1, 1, 1, 1), mode="replicate"), 3)
        inputs = _rows(functional.pad(neighbours, (0, 0, 0, 1), value=1.0))
        small = functional.adaptive_avg_pool2d(pictures, latents.shape[-1] * patch)
        targets = _rows(functional.pixel_unshuffle(small, patch).flatten(2))
        square = inputs.T @ inputs
        ridge = RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
        solution = torch.linalg.solve(square + ridge, inputs.T @ targets).T
        if not solution.isfinite().all():
            raise ArithmeticError("the latents of the sample pictures are not finite")
        weight = solution[:, :-1].reshape(len(solution), latents.shape[1], 3, 3)
        device = autoencoder.device
        weight, bias = weight.float().to(device), solution[:, -1].float().to(device)
        return cls(weight, bias, patch, scale, of_decoder=of_decoder)


def sample_pictures(number: int, side: int) -> Tensor:
    """Return plain or shaded backgrounds with patches of three sizes. The pictures are always the same.

    Returns:
        The pictures, (number, 3, side, side), 0 to 1.
    """
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def colours(cells: int) -> Tensor:
        colour, grey = uniform(number, 3, cells, cells), uniform(number, 1, cells, cells)
        chosen = torch.where(uniform(number, 1, cells, cells) < 0.4, grey, colour)
        # The range is stretched, so that black, white and saturated colours are frequent.
        return (chosen * 1.5 - 0.25).clamp(0, 1)

    corners = colours(2)
    corners = torch.where(uniform(number, 1, 1, 1) < 0.8, corners[:, :, :1, :1], corners)
    pictures = functional.interpolate(corners, side, mode="bilinear", align_corners=True)
    for cells in (2, 3, 5):
        is_patch = functional.interpolate(uniform(number, 1, cells, cells), side) < 0.25
        pictures = torch.where(is_patch, functional.interpolate(colours(cells), side), pictures)
    return pictures.clamp(0, 1)


def _upcast(autoencoder: Any) -> Any:
    # Autoencoders with `force_upcast` overflow in half precision. A slow float32 copy is good enough here.
    is_half = autoencoder.dtype is torch.float16
    needs_more = is_half and getattr(autoencoder.config, "force_upcast", False)
    return copy.deepcopy(autoencoder).float() if needs_more else autoencoder


def _encoded(autoencoder: Any, pictures: Tensor, *, of_decoder: bool) -> Tensor:
    """Return the latents of pictures as the denoiser uses them, or as the decoder takes them."""
    config = autoencoder.config
    latents = _raw(autoencoder, (pictures * 2 - 1).to(autoencoder.device, autoencoder.dtype)).cpu()
    if of_decoder:
        return latents
    scale, shift = (
        getattr(config, "scaling_factor", None) or 1.0,
        getattr(config, "shift_factor", None) or 0.0,
    )
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is not None and deviation is not None:
        centred = latents - torch.tensor(mean).view(1, -1, 1, 1)
        return centred * scale / torch.tensor(deviation).view(1, -1, 1, 1)
    return (latents - shift) * scale


def _raw(autoencoder: Any, pixels: Tensor) -> Tensor:
    """Encode pixels from -1 to 1 with an autoencoder of any type."""
    # The autoencoder of Qwen-Image is one for videos; a picture is a video with one frame.
    has_time = hasattr(autoencoder.config, "temperal_downsample")
    answer = autoencoder.encode(pixels.unsqueeze(2) if has_time else pixels)
    if hasattr(answer, "latent_dist"):
        latents: Tensor = answer.latent_dist.mode()
    else:
        latents = answer.latent if hasattr(answer, "latent") else answer.latents
    return latents[:, :, 0] if has_time else latents


def _rows(values: Tensor) -> Tensor:
    """Reshape (pictures, values, positions) to one row per position, in double precision."""
    return values.transpose(1, 2).flatten(0, 1).double()
