"""Kind `image-to-image`: pictures from a prompt and a picture."""

from pydantic import Field

from brushwork_schemas.artifact import Picture
from brushwork_schemas.kinds.generation import GenerationRequest, GenerationResult


class ImageToImageRequest(GenerationRequest):
    """Make pictures from a prompt and a picture that they begin with."""

    image: Picture = Field(description="What they begin with, an artifact.")
    strength: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="How much may change: of the denoising steps, this share is made.",
    )


class ImageToImageResult(GenerationResult):
    """Pictures made from a prompt and a picture."""
