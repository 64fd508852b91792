"""Kind `image-to-image`: pictures from a prompt and a picture."""

from pydantic import Field

from brushwork_schemas.artifact import DigitalSource, Picture
from brushwork_schemas.kinds import generation
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.explanations.request import ExplainableRequest
from brushwork_schemas.kinds.generation import GenerationRequest, GenerationResult
from brushwork_schemas.kinds.generation.prompt_weights import check_prompt_weights
from brushwork_schemas.kinds.generation.words import GENERATION_CHINESE, GENERATION_ENGLISH
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import NewPictureRequest


# The bases are listed backwards, since pydantic collects the fields of the last base first.
class ImageToImageRequest(NewPictureRequest, ExplainableRequest, GenerationRequest):
    """Generate pictures from a prompt and a picture to start from."""

    ADVANCED = GenerationRequest.ADVANCED | ExplainableRequest.ADVANCED | NewPictureRequest.ADVANCED

    image: Picture = Field(title="Picture to start from", description="The picture to start from.")
    strength: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        title="Strength",
        description="How much may change, 0 to 1: the share of the denoising steps that are run.",
    )


class ImageToImageResult(GenerationResult):
    """Pictures generated from a prompt and a picture."""


KIND = Kind(
    name="image-to-image",
    request_type=ImageToImageRequest,
    result_type=ImageToImageResult,
    title={"en": "Variation", "zh": "图生图"},
    action={"en": "Generate a picture from another one", "zh": "由一张图片生成另一张"},
    example={"prompt": "a blue circle", "image": RED_PICTURE, "strength": 0.6},
    sample=generation.sample,
    facts=generation.facts,
    view=generation.view,
    checks=(
        generation.check_limits,
        generation.check_add_ons,
        generation.check_strength,
        check_prompt_weights,
    ),
    complete=generation.size_of_input,
    from_short=generation.from_short,
    follow_up={"en": "Change it with words", "zh": "用文字修改"},
    explains=("words",),
    makes_pictures=True,
    digital_source=DigitalSource.COMPOSITE,
    words={"en": GENERATION_ENGLISH, "zh": {**GENERATION_CHINESE, "field.image.label": "起始图片"}},
    order=20,
)
