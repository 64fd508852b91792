"""Kind `image-inversion`: a picture with inverted colours. Clients load this module: no torch here."""

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result
from pydantic import Field


class InversionRequest(Request):
    """Invert the colours of a picture."""

    image: Picture = Field(title="Picture", description="The picture to invert.")
    amount: float = Field(
        1.0, ge=0.0, le=1.0, title="Amount", description="0 keeps the picture, 1 inverts it."
    )


class InversionResult(Result):
    """The inverted picture."""

    image: Artifact
    mean: float = Field(description="Mean brightness of the result, 0 to 1.")


def facts(result):
    """Return lines for the command line and the page."""
    yield "mean brightness", f"{result.mean:.0%}"


def sample(job, picture):
    """Return what the fake clients answer."""
    return {"image": picture(job.request.image), "mean": 0.5}


KIND = Kind(
    name="image-inversion",
    request_type=InversionRequest,
    result_type=InversionResult,
    title={"en": "Negative", "zh": "反色"},
    action={"en": "Invert a picture", "zh": "反转图片颜色"},
    example={"image": RED_PICTURE, "amount": 0.5},
    sample=sample,
    facts=facts,
    makes_pictures=True,
    words={"zh": {"field.amount.label": "程度", "field.amount.hint": "0 不变，1 完全反转。"}},
)
