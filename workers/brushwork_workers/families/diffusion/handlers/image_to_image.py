"""The handler of image-to-image, for any image-to-image pipeline of diffusers."""

from typing import Any

from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from PIL import Image

from brushwork_workers.families.diffusion.generation import Generation, PreparedGeneration
from brushwork_workers.families.diffusion.picture_size import (
    picture_size,
    resized,
    size_warnings,
    warm_up_fields,
)
from brushwork_workers.interface import JobContext

KIND = "image-to-image"


class ImageToImage:
    """Handles image-to-image.

    Args:
        model: The catalogue entry of the model.
        generation: Runs the pipelines of the model.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self._model = model
        self._generation = generation

    def warm_up(self) -> None:
        """Run one step on a black picture of the default size."""
        fields = {
            **warm_up_fields(self._model, KIND),
            "image": "0" * 64,
            "strength": 0.5,
        }
        request = ImageToImageRequest.model_validate(fields)
        black = Image.new("RGB", (request.width or 64, request.height or 64))
        self._generation.warm_up(request, self._prepared(request, black))

    def perform(self, request: ImageToImageRequest, context: JobContext) -> dict[str, Any]:
        """Generate the pictures of one job."""
        picture = context.picture(request.image)
        return self._generation.run(request, context, lambda each: self._prepared(each, picture))

    def _prepared(self, request: ImageToImageRequest, picture: Image.Image) -> PreparedGeneration:
        width, height = picture_size(picture.size, request, self._model)
        image = copies(resized(picture, (width, height)), request)
        return PreparedGeneration(
            KIND,
            width,
            height,
            {"image": image, "strength": request.strength},
            warnings=size_warnings(picture.size, (width, height), request, self._model),
        )


def copies(picture: Image.Image, request: ImageToImageRequest) -> list[Image.Image]:
    """Repeat the input picture for each result, so that each is encoded with its own random numbers.

    With a single input for several results, some pipelines encode it with the random numbers of the first
    result, and others fail. Only the first picture could then be reproduced from its seed.
    """
    return [picture] * request.num_images_per_prompt
