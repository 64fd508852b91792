"""Kind `image-preprocessing`: edges, depth or poses of a picture, for a ControlNet."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.image_segmentation import Box
from brushwork_schemas.kinds.kind import Kind, ReadPicture
from brushwork_schemas.kinds.request import CHINESE, Request
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, PictureNotes
from brushwork_schemas.wording.phrase import said

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Catalogue, Model
    from brushwork_schemas.job import Job


class ImagePreprocessingRequest(Request):
    """Find the edges, the depth or the poses of a picture. The result can be the control image of a job."""

    SPECIAL = frozenset({"low_threshold", "high_threshold", "boxes"})
    ADVANCED = Request.ADVANCED | SPECIAL

    image: Picture = Field(title="Picture", description="The picture to examine.")
    low_threshold: int | None = Field(
        None,
        ge=0,
        le=1500,
        title="Low threshold",
        description="Edges weaker than this are left out, in steps of an 8-bit channel.",
    )
    high_threshold: int | None = Field(
        None,
        ge=0,
        le=1500,
        title="High threshold",
        description="An edge must be at least this strong somewhere, in steps of an 8-bit channel.",
    )
    boxes: Annotated[tuple[Box, ...], Field(strict=False)] = Field(
        (),
        max_length=64,
        title="Boxes",
        description="One box around each person; by default one person fills the picture.",
    )


class ImagePreprocessingResult(Result):
    """The control picture, in the size of the given one."""

    image: Artifact = Field(title="Control picture")


def _check_thresholds(request: ImagePreprocessingRequest, model: "Model", catalogue: "Catalogue") -> None:
    """Refuse thresholds in the wrong order.

    Raises:
        InvalidRequest: The low one is higher.
    """
    low, high = request.low_threshold, request.high_threshold
    if low is not None and high is not None and low > high:
        raise InvalidRequest(
            said("low_threshold: {low} is higher than high_threshold, {high}.", low=low, high=high),
            field="low_threshold",
            hint="Set low_threshold to high_threshold or less.",
        )


def _facts(result: ImagePreprocessingResult) -> Iterable[tuple[str, str]]:
    yield "image", f"{result.image.width}x{result.image.height}"


def _view(job: "Job") -> Sequence[Block]:
    if not isinstance(job.result, ImagePreprocessingResult):
        return ()
    return (PictureNotes([[f"{job.result.image.width} × {job.result.image.height}"]]),)


def _files(result: ImagePreprocessingResult) -> Mapping[str, Artifact]:
    return {"control": result.image}


def _sample(job: "Job", picture: ReadPicture) -> Mapping[str, Any]:
    from PIL import ImageFilter

    given = picture(job.request.image).convert("L")
    return {"image": given.filter(ImageFilter.FIND_EDGES).convert("RGB")}


def _from_short(written: Any) -> Mapping[str, Any] | None:
    is_picture = isinstance(written, bytes) or hasattr(written, "getbands")
    return {"image": written} if is_picture else None


KIND = Kind(
    name="image-preprocessing",
    request_type=ImagePreprocessingRequest,
    result_type=ImagePreprocessingResult,
    title={"en": "Control picture", "zh": "引导图"},
    action={"en": "Find edges, depth or poses", "zh": "提取边缘、深度或姿态"},
    example={"image": RED_PICTURE},
    sample=_sample,
    facts=_facts,
    view=_view,
    files_by_name=_files,
    checks=(_check_thresholds,),
    from_short=_from_short,
    follow_up={"en": "Find its edges", "zh": "提取边缘"},
    words={
        "zh": {
            **CHINESE,
            "result.image.label": "引导图",
            "field.low_threshold.label": "低阈值",
            "field.low_threshold.hint": "弱于此值的边缘会被去掉，以 8 位通道的级数计。",
            "field.high_threshold.label": "高阈值",
            "field.high_threshold.hint": "一条边缘至少有一处要达到此强度，以 8 位通道的级数计。",
            "field.boxes.label": "框",
            "field.boxes.hint": "每人一个框，每行：左, 上, 右, 下；不填则视为一人占满画面。",
        }
    },
    order=75,
)
