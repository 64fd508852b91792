"""The handler of inpainting, for any inpainting pipeline of diffusers."""

from typing import Any

from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.generation.inpainting import InpaintingRequest
from PIL import Image

from brushwork_workers.families.diffusion.generation import Generation, PreparedGeneration
from brushwork_workers.families.diffusion.handlers.image_to_image import copies
from brushwork_workers.families.diffusion.picture_size import (
    picture_size,
    resized,
    size_warnings,
    stretched,
    warm_up_fields,
)
from brushwork_workers.interface import JobContext

KIND = "inpainting"


class Inpainting:
    """Handles inpainting, with denoisers that take the mask as input and with all others.

    Args:
        model: The catalogue entry of the model.
        generation: Runs the pipelines of the model.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self._model = model
        self._generation = generation

    def warm_up(self) -> None:
        """Inpaint half of a black picture of the default size in one step."""
        fields = {
            **warm_up_fields(self._model, KIND),
            "image": "0" * 64,
            "mask_image": "0" * 64,
            "strength": 0.5,
        }
        request = InpaintingRequest.model_validate(fields)
        black = Image.new("RGB", (request.width or 64, request.height or 64))
        mask = Image.linear_gradient("L").resize(black.size)
        self._generation.warm_up(request, self._prepared(request, black, mask))

    def perform(self, request: InpaintingRequest, context: JobContext) -> dict[str, Any]:
        """Generate the pictures of one job. The white parts of the mask are replaced."""
        picture, mask = context.picture(request.image), context.mask(request.mask_image)
        return self._generation.run(request, context, lambda each: self._prepared(each, picture, mask))

    def _prepared(
        self, request: InpaintingRequest, picture: Image.Image, mask: Image.Image
    ) -> PreparedGeneration:
        width, height = size = picture_size(picture.size, request, self._model)
        # Bilinear, because sharpening would move the edge of the mask: the pipeline binarises it at mid-grey.
        resized_mask = mask if mask.size == size else mask.resize(size, Image.Resampling.BILINEAR)
        image = copies(resized(picture, size), request)
        return PreparedGeneration(
            KIND,
            width,
            height,
            {"image": image, "mask_image": resized_mask, "strength": request.strength},
            warnings=(
                *size_warnings(picture.size, size, request, self._model),
                *stretched("mask_image", mask.size, picture.size),
            ),
        )
