"""Kind `inpainting`: part of a picture is generated again."""

from pydantic import Field

from brushwork_schemas.artifact import DigitalSource, Mask, Picture
from brushwork_schemas.kinds import generation
from brushwork_schemas.kinds.examples import RED_PICTURE, WHITE_PICTURE
from brushwork_schemas.kinds.generation import GenerationResult
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from brushwork_schemas.kinds.generation.prompt_weights import check_prompt_weights
from brushwork_schemas.kinds.generation.words import GENERATION_CHINESE, GENERATION_ENGLISH
from brushwork_schemas.kinds.kind import Kind


class InpaintingRequest(ImageToImageRequest):
    """Generate part of a picture again from a prompt."""

    image: Picture = Field(title="Picture", description="The picture of which a part is generated again.")
    mask_image: Mask = Field(
        title="Mask",
        description="A picture that is white where pixels are generated and black or transparent where they "
        "stay.",
    )


class InpaintingResult(GenerationResult):
    """Pictures of which a part was generated again."""


KIND = Kind(
    name="inpainting",
    request_type=InpaintingRequest,
    result_type=InpaintingResult,
    title={"en": "Inpainting", "zh": "局部重绘"},
    action={"en": "Generate part of a picture again", "zh": "重绘图片的一部分"},
    example={"prompt": "a blue circle", "image": RED_PICTURE, "mask_image": WHITE_PICTURE},
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
    explains=("words",),
    makes_pictures=True,
    digital_source=DigitalSource.COMPOSITE,
    words={"en": GENERATION_ENGLISH, "zh": GENERATION_CHINESE},
    order=30,
)
