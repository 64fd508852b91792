"""Kind `image-upscaling`: a picture with more pixels."""

from pydantic import Field

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.kinds.request import Request, Text
from brushwork_schemas.kinds.result import Result


class ImageUpscalingRequest(Request):
    """Make a picture larger, with detail that suits it."""

    SPECIAL = frozenset(
        {"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "noise_level", "seed"}
    )

    image: Picture = Field(description="The picture, an artifact.")
    prompt: Text = Field("", max_length=2000, description="What it shows, where the model takes a prompt.")
    negative_prompt: Text = Field("", max_length=2000, description="What it should not show.")
    num_inference_steps: int | None = Field(None, ge=1, le=200, description="Denoising steps.")
    guidance_scale: float | None = Field(
        None, ge=0.0, le=50.0, allow_inf_nan=False, description="Weight of classifier-free guidance."
    )
    noise_level: int | None = Field(
        None, ge=0, le=350, description="Noise that is put on the picture first; more frees the model."
    )
    seed: int | None = Field(None, ge=0, le=2**63 - 1, description="Start of the random numbers.")

    @property
    def cost(self) -> float:
        """Its size is known only once it is read: as one megapixel."""
        return float(self.num_inference_steps or 1)


class ImageUpscalingResult(Result):
    """The picture, larger."""

    image: Artifact
    scale: float = Field(description="New width through old width.")
    seed: int | None = Field(None, description="None where the model draws no random numbers.")
