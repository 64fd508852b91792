"""The handler of image-editing, for any pipeline of diffusers that takes pictures and an instruction."""

import inspect
import math
from collections.abc import Collection, Sequence
from typing import Any

import diffusers
from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import InvalidImage, InvalidRequest
from brushwork_schemas.kinds.generation.image_editing import ImageEditingRequest
from brushwork_schemas.wording.phrase import said
from PIL import Image

from brushwork_workers.families.diffusion.generation import Generation, PreparedGeneration
from brushwork_workers.families.diffusion.picture_size import (
    SMALLEST_SIDE,
    limited_size,
    picture_size,
    resized,
    size_warnings,
    warm_up_fields,
)
from brushwork_workers.interface import JobContext

KIND = "image-editing"
# What pipelines call the pictures, and the weight of their guidance.
_PICTURES = ("image", "images", "input_images")
_PICTURE_GUIDANCE = ("image_guidance_scale", "img_guidance_scale")
# OmniGen finds its pictures by marks in the prompt.
_MARK = "<img><|image_{number}|></img>"


class ImageEditing:
    """Handles image-editing.

    Args:
        model: The catalogue entry of the model.
        generation: Runs the pipelines of the model.
    """

    def __init__(self, model: Model, generation: Generation) -> None:
        self._model = model
        self._generation = generation
        pipeline_class = getattr(diffusers, generation.pipelines.class_name(KIND))
        self._known = inspect.signature(pipeline_class.__call__).parameters

    def warm_up(self) -> None:
        """Run two steps on a small black picture. FLUX.2 takes none of less than 64 pixels."""
        fields = {**warm_up_fields(self._model, KIND), "images": ("0" * 64,)}
        request = self._marked(ImageEditingRequest.model_validate(fields))
        self._generation.warm_up(request, self._prepared(request, [Image.new("RGB", (64, 64))]))

    def perform(self, request: ImageEditingRequest, context: JobContext) -> dict[str, Any]:
        """Change the pictures of one job."""
        pictures = [context.picture(sha256) for sha256 in request.images]
        return self._generation.run(
            self._marked(request), context, lambda each: self._prepared(each, pictures)
        )

    def _marked(self, request: ImageEditingRequest) -> ImageEditingRequest:
        """Return the request with a mark for each picture that the instruction of OmniGen does not name.

        Raises:
            InvalidRequest: The instruction names a picture that the request does not have.
        """
        if "input_images" not in self._known:
            return request
        marks = [_MARK.format(number=number) for number in range(1, len(request.images) + 1)]
        prompt = request.prompt
        for number in range(len(marks) + 1, 100):
            if _MARK.format(number=number) in prompt:
                raise InvalidRequest(
                    said("prompt: it names picture {number}, but images has fewer.", number=number),
                    field="prompt",
                )
        missing = [mark for mark in marks if mark not in prompt]
        return request.model_copy(update={"prompt": " ".join([*missing, prompt])})

    def _check(self, pictures: Sequence[Image.Image]) -> None:
        """Refuse pictures that the pipeline does not take, such as too small ones for FLUX.2.

        Raises:
            InvalidImage: A picture is refused.
        """
        processor = getattr(self._generation.pipelines.loaded, "image_processor", None)
        check = getattr(processor, "check_image_input", lambda picture: picture)
        for index, picture in enumerate(pictures):
            try:
                check(picture)
            except ValueError as error:
                raise InvalidImage(
                    said(
                        "images.{index}: {model} does not take this picture: {reason}.",
                        index=index,
                        model=self._model.name,
                        reason=str(error).rstrip("."),
                    ),
                    field=f"images.{index}",
                    hint="Send the picture in another size.",
                ) from error

    def _prepared(self, request: ImageEditingRequest, pictures: Sequence[Image.Image]) -> PreparedGeneration:
        self._check(pictures)
        given = pictures[0].size
        width, height = size = (
            picture_size(given, request, self._model)
            if "width" in self._known
            # Such a pipeline makes a result of the size of the picture, whatever it is.
            else limited_size(given, self._model, self._model.multiple_of)
        )
        own = {
            **pictures_arguments(self._known, self._model.multiple_of, pictures, size, request),
            **_accepted(self._known, _PICTURE_GUIDANCE, request.image_guidance_scale),
        }
        warnings = size_warnings(given, size, request, self._model, field="images.0")
        return PreparedGeneration(KIND, width, height, own, warnings=warnings)


def pictures_arguments(
    known: Collection[str],
    multiple: int,
    pictures: Sequence[Image.Image],
    size: tuple[int, int],
    request: ImageEditingRequest,
) -> dict[str, Any]:
    """Return the arguments with which a pipeline takes the pictures of a request.

    Args:
        known: The parameters of the pipeline's call.
        multiple: The number of which both sides of a picture must be multiples, in pixels.
        pictures: The pictures, in the order of the request.
        size: Width and height of the result, in pixels.
        request: The request.
    """
    name = next(each for each in _PICTURES if each in known)
    if "width" not in known or "image_guidance_scale" in known:
        # InstructPix2Pix: the result has the size of the picture, and each result has a picture of its own.
        # With one picture for several results, the pipeline warns that this will be refused.
        same_size = [resized(picture, size) for picture in pictures]
        return {name: same_size * request.num_images_per_prompt if len(same_size) == 1 else same_size}
    if "max_area" in known:
        # Kontext scales the size that is asked for to this area, and the picture to one of its sizes of a
        # megapixel, unless it is told not to. A small result needs no larger picture.
        fitted = resized(pictures[0], _fitted(pictures[0].size, size[0] * size[1], multiple))
        return {name: fitted, "max_area": size[0] * size[1], "_auto_resize": False}
    if len(pictures) == 1 and name == "image":
        return {name: pictures[0]}
    return {name: list(pictures)}


def _fitted(given: tuple[int, int], most_pixels: int, multiple: int) -> tuple[int, int]:
    """Return the sides of a picture that has its proportions, and at most so many pixels."""
    scale = min(1.0, math.sqrt(most_pixels / (given[0] * given[1])))
    least = -(-SMALLEST_SIDE // multiple) * multiple
    width, height = (max(least, int(side * scale + 0.01) // multiple * multiple) for side in given)
    return width, height


def _accepted(known: Collection[str], names: Sequence[str], value: Any) -> dict[str, Any]:
    return {} if value is None else {name: value for name in names if name in known}
