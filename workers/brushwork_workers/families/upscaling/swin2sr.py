"""Upscaling in one pass with Swin2SR (Conde et al., 2022) of transformers."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from brushwork_schemas.artifact import DigitalSource
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingRequest
from PIL import Image
from transformers import AutoImageProcessor, Swin2SRForImageSuperResolution

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.device.module_building import module_building
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.upscaling.edges import pad_to
from brushwork_workers.families.upscaling.size_limit import check_output_size
from brushwork_workers.families.upscaling.tiles import tiles
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

# Attention stays within windows, so memory grows linearly with the pixels. The tile size limits it.
TILE_SIDE = 512
# The processor mirrors up to eight pixels, and fails for a picture that has fewer.
SMALLEST_SIDE = 8


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image upscaling."""
    handler = Swin2SRUpscaler(spec)
    return LoadedModules({"image-upscaling": handler}, [handler.network])


class Swin2SRUpscaler:
    """Handles image upscaling with Swin2SR. A picture larger than one tile is processed in several tiles.

    Args:
        spec: The model to load.
        tile_side: The side of a tile, in pixels of the input picture.
    """

    def __init__(self, spec: LoadSpec, tile_side: int = TILE_SIDE) -> None:
        self._model = spec.model
        self._tile_side = tile_side
        with module_building():
            network = Swin2SRForImageSuperResolution.from_pretrained(
                spec.folder, dtype=spec.dtype, use_safetensors=True, local_files_only=True
            )
        # A cast, because the annotation of `to` in transformers lacks its first argument.
        self.network = cast(Any, network).to(spec.device).eval()
        self._scale: int = self.network.config.upscale
        self._processor = AutoImageProcessor.from_pretrained(spec.folder, local_files_only=True)
        self._model_executor = spec.model_executor
        self._options = replace(spec.options, part="network")

    def warm_up(self) -> None:
        """Upscale a black picture."""
        self._upscale(Image.new("RGB", (16, 16)))

    def perform(self, request: ImageUpscalingRequest, context: JobContext) -> dict[str, Any]:
        """Upscale one picture. Each tile is one step of the progress."""
        picture = context.picture(request.image)
        check_output_size(picture, self._scale, self._model)
        scale = self._scale
        result_picture = Image.new("RGB", (picture.width * scale, picture.height * scale))
        parts = list(tiles(picture.size, self._tile_side))
        for number, part in enumerate(parts, start=1):
            larger = self._upscale(picture.crop(part.box))
            result_picture.paste(larger.crop(part.kept(scale)), part.corner(scale))
            context.progress(number, len(parts))
        # It sharpens what is there, without a prompt and without random numbers.
        image = context.save_picture(result_picture, source=DigitalSource.ENHANCED)
        return {"image": image, "scale": float(scale)}

    def _upscale(self, picture: Image.Image) -> Image.Image:
        """Upscale a picture or a tile in one call."""
        padded_picture = pad_to(picture, SMALLEST_SIDE, SMALLEST_SIDE)
        pixels = self._processor(padded_picture, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self.network.device, self.network.dtype)
        options = replace(self._options, pixels_per_row=pixels.shape[-2] * pixels.shape[-1])
        output: torch.Tensor = ModuleProxy(self.network, self._model_executor, options)(
            pixel_values=pixels
        ).reconstruction
        check_finite(output, model=self._model.name, part="upscaling network", module=self.network)
        # The processor pads to whole windows, always by at least one pixel.
        output = output[0, :, : picture.height * self._scale, : picture.width * self._scale]
        levels = (output.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(np.ascontiguousarray(levels))
