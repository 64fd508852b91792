"""Kind `text-to-image`: pictures from a prompt."""

from brushwork_schemas.artifact import DigitalSource
from brushwork_schemas.kinds import generation
from brushwork_schemas.kinds.explanations.request import ExplainableRequest
from brushwork_schemas.kinds.generation import GenerationRequest, GenerationResult
from brushwork_schemas.kinds.generation.prompt_weights import check_prompt_weights
from brushwork_schemas.kinds.generation.words import GENERATION_CHINESE, GENERATION_ENGLISH
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import NewPictureRequest


# The bases are listed backwards, since pydantic collects the fields of the last base first.
class TextToImageRequest(NewPictureRequest, ExplainableRequest, GenerationRequest):
    """Generate pictures from a prompt."""

    ADVANCED = GenerationRequest.ADVANCED | ExplainableRequest.ADVANCED | NewPictureRequest.ADVANCED


class TextToImageResult(GenerationResult):
    """Pictures generated from a prompt."""


KIND = Kind(
    name="text-to-image",
    request_type=TextToImageRequest,
    result_type=TextToImageResult,
    title={"en": "Picture", "zh": "文生图"},
    action={"en": "Generate a picture", "zh": "生成图片"},
    example={"prompt": "a red circle above a blue square", "seed": 7},
    sample=generation.sample,
    facts=generation.facts,
    view=generation.view,
    checks=(generation.check_limits, generation.check_add_ons, check_prompt_weights),
    from_short=generation.from_short,
    explains=("words",),
    makes_pictures=True,
    digital_source=DigitalSource.GENERATED,
    words={"en": GENERATION_ENGLISH, "zh": GENERATION_CHINESE},
    order=10,
)
