"""Larger pictures in one pass, by Swin2SR (Conde et al., 2022) of transformers."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingRequest
from PIL import Image
from transformers import AutoImageProcessor, Swin2SRForImageSuperResolution

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.upscaling.edges import pad_to
from brushwork_workers.families.upscaling.size_limit import check_output_size
from brushwork_workers.families.upscaling.tiles import tiles
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

# Attention is within windows, so that memory grows with the pixels, not with their square: this bounds it.
TILE_SIDE = 512
# The processor mirrors up to eight pixels, and fails where a picture has fewer than it is to mirror.
SMALLEST_SIDE = 8


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    handler = Swin2SRUpscaler(spec)
    return LoadedModules({"image-upscaling": handler}, [handler.network])


class Swin2SRUpscaler:
    """A loaded Swin2SR. A picture that is larger than a tile is done in several.

    Args:
        spec: Which model, from where, onto what.
        tile_side: In pixels of the picture that is given.
    """

    def __init__(self, spec: LoadSpec, tile_side: int = TILE_SIDE) -> None:
        self._model = spec.model
        self._tile_side = tile_side
        network = Swin2SRForImageSuperResolution.from_pretrained(
            spec.folder, dtype=spec.dtype, use_safetensors=True, local_files_only=True
        )
        # A cast, for transformers' own annotation of `to` has lost its first argument.
        self.network = cast(Any, network).to(spec.device).eval()
        self._scale: int = self.network.config.upscale
        self._processor = AutoImageProcessor.from_pretrained(spec.folder, local_files_only=True)
        self._model_executor = spec.model_executor
        self._options = replace(spec.options, part="network")

    def warm_up(self) -> None:
        """Enlarge a black picture."""
        self._upscale(Image.new("RGB", (16, 16)))

    def perform(self, request: ImageUpscalingRequest, context: JobContext) -> dict[str, Any]:
        """One picture, `scale` times as wide and as high; a step for each of its tiles."""
        picture = context.picture(request.image)
        check_output_size(picture, self._scale, self._model)
        scale = self._scale
        result_picture = Image.new("RGB", (picture.width * scale, picture.height * scale))
        parts = list(tiles(picture.size, self._tile_side))
        for number, part in enumerate(parts, start=1):
            larger = self._upscale(picture.crop(part.box))
            result_picture.paste(larger.crop(part.kept(scale)), part.corner(scale))
            context.progress(number, len(parts))
        return {"image": context.save_picture(result_picture), "scale": float(scale)}

    def _upscale(self, picture: Image.Image) -> Image.Image:
        """The whole of a picture at once."""
        padded_picture = pad_to(picture, SMALLEST_SIDE, SMALLEST_SIDE)
        pixels = self._processor(padded_picture, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self.network.device, self.network.dtype)
        options = replace(self._options, pixels_per_row=pixels.shape[-2] * pixels.shape[-1])
        output: torch.Tensor = ModuleProxy(self.network, self._model_executor, options)(
            pixel_values=pixels
        ).reconstruction
        # The processor pads to whole windows, always by at least a pixel.
        output = output[0, :, : picture.height * self._scale, : picture.width * self._scale]
        levels = (output.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(np.ascontiguousarray(levels))
