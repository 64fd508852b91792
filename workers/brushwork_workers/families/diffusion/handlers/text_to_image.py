"""The handler of text-to-image, for any text-to-image pipeline of diffusers."""

from typing import Any

from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest

from brushwork_workers.families.diffusion.generation import Generation, PreparedGeneration
from brushwork_workers.families.diffusion.picture_size import warm_up_fields
from brushwork_workers.interface import JobContext

KIND = "text-to-image"


class TextToImage:
    """Handles text-to-image.

    Args:
        model: The catalogue entry of the model.
        generation: Runs the pipelines of the model.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self._model = model
        self._generation = generation

    def warm_up(self) -> None:
        """Generate one picture in two steps, with the default settings of the model."""
        request = TextToImageRequest.model_validate(warm_up_fields(self._model, KIND))
        self._generation.warm_up(request, _prepared(request))

    def perform(self, request: TextToImageRequest, context: JobContext) -> dict[str, Any]:
        """Generate the pictures of one job."""
        return self._generation.run(request, context, _prepared)


def _prepared(request: TextToImageRequest) -> PreparedGeneration:
    return PreparedGeneration(KIND, request.width, request.height, own={})
