"""Kind `image-segmentation`: a class or an object for each pixel."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.kinds.examples import RED_PICTURE
from brushwork_schemas.kinds.explanations.request import EXPLAIN_CHINESE, ExplainableRequest
from brushwork_schemas.kinds.kind import Kind, ReadPicture
from brushwork_schemas.kinds.request import CHINESE
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Cell, Legend, Table, in_percent

if TYPE_CHECKING:
    from brushwork_schemas.job import Job

# Longer lists are complete only in the JSON of a result.
MOST_SEGMENTS_PRINTED, MOST_SEGMENTS_SHOWN = 20, 50
_NAMED_CLASSES = 3
_SAMPLE_CLASSES = ("background", "circle")
_SAMPLE_PALETTE = (0, 0, 0, 220, 40, 40)


class Point(BaseModel):
    """A pixel inside or outside of an object."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the left.")
    y: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the top.")
    is_on: bool = Field(True, description="Whether the pixel belongs to the object.")
    object: int = Field(0, ge=0, lt=64, description="Number of the object, counted from 0.")


class Box(BaseModel):
    """A box around an object."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x_min: float = Field(ge=0, allow_inf_nan=False, description="Left edge, in pixels from the left.")
    y_min: float = Field(ge=0, allow_inf_nan=False, description="Top edge, in pixels from the top.")
    x_max: float = Field(ge=0, allow_inf_nan=False, description="Right edge, in pixels from the left.")
    y_max: float = Field(ge=0, allow_inf_nan=False, description="Bottom edge, in pixels from the top.")


class ImageSegmentationRequest(ExplainableRequest):
    """Find the class or the object of each pixel of a picture."""

    SPECIAL = frozenset({"task", "threshold", "points", "boxes"})
    ADVANCED = ExplainableRequest.ADVANCED | {"threshold"}

    image: Picture = Field(title="Picture", description="The picture to segment.")
    overlay: bool = Field(
        True, title="Overlay", description="Also make a picture with the classes laid over it in colour."
    )
    task: Literal["semantic", "instance", "panoptic"] | None = Field(
        None,
        title="Task",
        description="Classes (semantic), objects (instance) or both (panoptic); by default the model's.",
    )
    threshold: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        title="Threshold",
        description="Objects with a lower score are left out, 0 to 1.",
    )
    points: Annotated[tuple[Point, ...], Field(strict=False)] = Field(
        (), max_length=256, title="Points", description="Points on objects, for models that take points."
    )
    boxes: Annotated[tuple[Box, ...], Field(strict=False)] = Field(
        (),
        max_length=64,
        title="Boxes",
        description="One box around each object, for models that take boxes.",
    )


class Rle(BaseModel):
    """A mask in COCO's compressed run-length encoding; `pycocotools.mask.decode` reads it."""

    model_config = ConfigDict(frozen=True)

    size: tuple[int, int] = Field(description="Height and width of the picture.")
    counts: str


class Segment(BaseModel):
    """A class or an object, in the terms of COCO."""

    model_config = ConfigDict(frozen=True)

    id: int = Field(description="Counted from 1.")
    label: str | None = Field(None, description="Name of the class; None for an object of unknown class.")
    score: float | None = None
    area: int = Field(description="Area in pixels.")
    bbox: tuple[float, float, float, float] = Field(description="Left, top, width, height, in pixels.")
    segmentation: Rle


class ImageSegmentationResult(Result):
    """A class for each pixel of the picture, and its objects if the model separates them."""

    mask: Artifact = Field(
        description="Indexed PNG of the picture's size: each pixel is an index into `labels`."
    )
    overlay: Artifact | None = Field(None, title="Classes laid over the picture")
    labels: tuple[str, ...]
    areas: dict[str, float] = Field(description="Share of the picture for each class that occurs, 0 to 1.")
    segments: tuple[Segment, ...] = Field(
        (), description="Each class or object that occurs, largest first, without the background."
    )


def _facts(result: ImageSegmentationResult) -> Iterable[tuple[str, str]]:
    for label, share in result.areas.items():
        yield label, f"{share:.1%} of the picture"
    for segment in result.segments[:MOST_SEGMENTS_PRINTED]:
        score = "" if segment.score is None else f", {segment.score:.1%}"
        left, top, width, height = segment.bbox
        name = segment.label or "object"
        yield f"segment {segment.id}", f"{name}{score}, {width:g}x{height:g} at {left:g}, {top:g}"
    if (more := len(result.segments) - MOST_SEGMENTS_PRINTED) > 0:
        yield "", f"and {more} more"


def _view(job: "Job") -> Sequence[Block]:
    result = job.result
    if not isinstance(result, ImageSegmentationResult):
        return ()
    legend = Legend(result.mask, result.labels, result.areas)
    if not result.segments:
        return (legend,)
    segments = Table(
        title={"en": "Objects and regions", "zh": "物体与区域"},
        columns=(
            {"en": "Content", "zh": "内容"},
            {"en": "Score", "zh": "置信度"},
            {"en": "Pixels", "zh": "像素"},
            {"en": "Size and position", "zh": "大小与位置"},
        ),
        rows=[_row(segment) for segment in result.segments[:MOST_SEGMENTS_SHOWN]],
        name="segments",
    )
    return (legend, segments)


def _row(segment: Segment) -> tuple[Cell, ...]:
    left, top, width, height = segment.bbox
    score = "" if segment.score is None else in_percent(segment.score)
    name = segment.label or {"en": f"Object {segment.id}", "zh": f"物体 {segment.id}"}
    return (name, score, str(segment.area), f"{width:g} × {height:g} ({left:g}, {top:g})")


def _headline(result: ImageSegmentationResult) -> str:
    largest = sorted(result.areas.items(), key=lambda pair: -pair[1])[:_NAMED_CLASSES]
    return ", ".join(f"{label} {in_percent(share)}" for label, share in largest)


def _main_pictures(result: ImageSegmentationResult) -> Sequence[Artifact]:
    return (result.overlay, result.mask) if result.overlay is not None else (result.mask,)


def _sample(job: "Job", picture: ReadPicture) -> Mapping[str, Any]:
    """A mask whose middle is of class `circle`."""
    from PIL import Image

    given = picture(job.request.image)
    width, height = given.size
    mask = Image.new("P", given.size, 0)
    mask.putpalette(_SAMPLE_PALETTE)
    mask.paste(1, (width // 4, height // 4, width - width // 4, height - height // 4))
    share = mask.histogram()[1] / (width * height)
    overlay = Image.blend(given.convert("RGB"), mask.convert("RGB"), 0.5) if job.request.overlay else None
    areas = {name: area for name, area in zip(_SAMPLE_CLASSES, (1 - share, share), strict=True) if area}
    return {"mask": mask, "overlay": overlay, "labels": _SAMPLE_CLASSES, "areas": areas}


KIND = Kind(
    name="image-segmentation",
    request_type=ImageSegmentationRequest,
    result_type=ImageSegmentationResult,
    title={"en": "Segments", "zh": "图片分割"},
    action={"en": "Segment a picture", "zh": "分割图片"},
    example={"image": RED_PICTURE},
    sample=_sample,
    facts=_facts,
    view=_view,
    headline=_headline,
    main_pictures=_main_pictures,
    explains=("confidence",),
    follow_up={"en": "Segment it", "zh": "分割它"},
    words={
        "zh": {
            **CHINESE,
            **EXPLAIN_CHINESE,
            "result.mask.label": "蒙版",
            "result.overlay.label": "叠加了类别颜色的图片",
            "field.overlay.label": "叠加图",
            "field.overlay.hint": "另外生成一张叠加了类别颜色的图片。",
            "field.task.label": "任务",
            "field.task.hint": "按类别、按物体，或两者。",
            "field.threshold.label": "最低置信度",
            "field.threshold.hint": "低于此值的物体不列出，0 到 1。",
            "field.points.label": "点",
            "field.points.hint": "物体上的点，每行一个：x, y；后面可写 `off` 表示不属于物体，再写物体编号。",
            "field.boxes.label": "框",
            "field.boxes.hint": "围住物体，每行一个：左, 上, 右, 下。",
            "choice.semantic": "按类别",
            "choice.instance": "按物体",
            "choice.panoptic": "两者",
        },
        "en": {"choice.semantic": "classes", "choice.instance": "objects", "choice.panoptic": "both"},
    },
    order=70,
)
