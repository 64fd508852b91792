"""Kind `image-posterization`: a picture with few colours, and how often each occurs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.request import CHINESE, Request
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Table
from pydantic import BaseModel, ConfigDict, Field


class PosterizationRequest(Request):
    """Reduce a picture to few brightness levels per colour channel."""

    image: Picture = Field(title="Picture", description="The picture to posterize.")
    num_levels: int = Field(
        4, ge=2, le=16, title="Levels", description="Brightness levels of each colour channel."
    )


class Colour(BaseModel):
    """A colour and its share of the picture, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    colour: str
    share: float


class PosterizationResult(Result):
    """The posterized picture and its most frequent colours."""

    image: Artifact
    colours: tuple[Colour, ...]


def facts(result: PosterizationResult) -> Iterable[tuple[str, str]]:
    """Return one line for each colour."""
    for each in result.colours:
        yield each.colour, f"{each.share:.1%}"


def view(job: Any) -> Sequence[Block]:
    """Return the table of colours."""
    if not isinstance(job.result, PosterizationResult):
        return ()
    columns = ({"en": "Colour", "zh": "颜色"}, {"en": "Share", "zh": "占比"})
    rows = [(each.colour, f"{each.share:.1%}") for each in job.result.colours]
    return (Table(title={"en": "Colours", "zh": "颜色"}, columns=columns, rows=rows, name="colours"),)


def headline(result: PosterizationResult) -> str:
    """Return the most frequent colour."""
    return result.colours[0].colour if result.colours else ""


def sample(job: Any, picture: Any) -> Mapping[str, Any]:
    """Return a grey picture of the size of the input."""
    from PIL import Image

    size = picture(job.request.image).size
    return {"image": Image.new("RGB", size, "gray"), "colours": [{"colour": "#808080", "share": 1.0}]}


KIND = Kind(
    name="image-posterization",
    request_type=PosterizationRequest,
    result_type=PosterizationResult,
    title={"en": "Poster", "zh": "色调分离"},
    action={"en": "Posterize a picture", "zh": "减少图片的颜色"},
    example={"image": RED_PICTURE, "num_levels": 3},
    sample=sample,
    facts=facts,
    view=view,
    headline=headline,
    follow_up={"en": "Posterize it", "zh": "色调分离"},
    makes_pictures=True,
    words={
        "zh": {
            **CHINESE,
            "field.num_levels.label": "色阶数",
            "field.num_levels.hint": "每个颜色通道的亮度级数。",
        }
    },
)
