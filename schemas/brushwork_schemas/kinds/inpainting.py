"""Kind `inpainting`: part of a picture is generated again."""

from pydantic import Field

from brushwork_schemas.artifact import Picture
from brushwork_schemas.kinds.generation import GenerationResult
from brushwork_schemas.kinds.image_to_image import ImageToImageRequest


class InpaintingRequest(ImageToImageRequest):
    """Make a part of a picture anew from a prompt."""

    mask_image: Picture = Field(description="White where it is made anew, black where it stays; an artifact.")


class InpaintingResult(GenerationResult):
    """Pictures of which a part was made anew."""
