"""Kind `image-editing`: pictures changed as an instruction says."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticKnownError

from brushwork_schemas.artifact import DigitalSource, Picture
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds import generation
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.explanations.request import ExplainableRequest
from brushwork_schemas.kinds.generation import GenerationRequest, GenerationResult
from brushwork_schemas.kinds.generation.words import GENERATION_CHINESE, GENERATION_ENGLISH
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import NewPictureRequest, Text, not_blank
from brushwork_schemas.wording.phrase import said

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Catalogue, Model

MOST_PICTURES = 8


def _not_too_many(given: object) -> object:
    # Else each of many thousand items would be an error of its own, before the length is one.
    if isinstance(given, list | tuple) and len(given) > MOST_PICTURES:
        length = {"field_type": "Tuple", "max_length": MOST_PICTURES, "actual_length": len(given)}
        raise PydanticKnownError("too_long", length)
    return given


# The bases are listed backwards, since pydantic collects the fields of the last base first.
class ImageEditingRequest(NewPictureRequest, ExplainableRequest, GenerationRequest):
    """Change one or more pictures as an instruction says."""

    SPECIAL = GenerationRequest.SPECIAL | {"image_guidance_scale"}
    ADVANCED = (
        GenerationRequest.ADVANCED
        | ExplainableRequest.ADVANCED
        | NewPictureRequest.ADVANCED
        | {"image_guidance_scale"}
    )

    prompt: Annotated[Text, AfterValidator(not_blank)] = Field(
        max_length=2000, title="Instruction", description="What to change, such as: make the ball red."
    )
    images: Annotated[tuple[Picture, ...], Field(strict=False), BeforeValidator(_not_too_many)] = Field(
        min_length=1,
        max_length=MOST_PICTURES,
        title="Pictures to edit",
        description="The picture to change. Some models take several, and the instruction says what to do "
        "with each.",
    )
    image_guidance_scale: float | None = Field(
        None,
        ge=0.0,
        le=20.0,
        allow_inf_nan=False,
        title="Picture guidance scale",
        description="How closely the result keeps to the pictures (Brooks et al., 2022). Higher: it changes "
        "less.",
    )


class ImageEditingResult(GenerationResult):
    """Pictures changed as an instruction says."""


def _check_number(request: ImageEditingRequest, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse more pictures than the model takes.

    Raises:
        InvalidRequest: There are too many.
    """
    most = model.pipeline.max_input_images if model.pipeline is not None else 1
    if len(request.images) > most:
        raise InvalidRequest(
            said(
                "images: {number} pictures exceed the limit of {model}, {limit}.",
                number=len(request.images),
                model=model.name,
                limit=most,
            ),
            field="images",
            hint="Send fewer pictures, or choose a model that takes more.",
        )


KIND = Kind(
    name="image-editing",
    request_type=ImageEditingRequest,
    result_type=ImageEditingResult,
    title={"en": "Editing", "zh": "图片编辑"},
    action={"en": "Edit a picture by an instruction", "zh": "按指令编辑图片"},
    example={"prompt": "make it blue", "images": [RED_PICTURE], "seed": 7},
    sample=generation.sample,
    facts=generation.facts,
    view=generation.view,
    checks=(_check_number, generation.check_limits, generation.check_add_ons),
    complete=generation.size_of_input,
    from_short=generation.from_short,
    follow_up={"en": "Edit it", "zh": "按指令编辑"},
    explains=("words",),
    makes_pictures=True,
    digital_source=DigitalSource.COMPOSITE,
    words={
        "en": GENERATION_ENGLISH,
        "zh": {
            **GENERATION_CHINESE,
            "field.prompt.label": "指令",
            "field.prompt.hint": "要改什么，例如“把球变成红色”。",
            "field.images.label": "要编辑的图片",
            "field.images.hint": "要修改的图片。有的模型可接受多张，由指令说明各张的用途。",
            "field.image_guidance_scale.label": "图片引导系数",
            "field.image_guidance_scale.hint": "结果贴近原图的程度；越大，改动越少。",
        },
    },
    order=25,
)
