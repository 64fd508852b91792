"""Kind `image-segmentation`: a class or an object for each pixel."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result


class Point(BaseModel):
    """A pixel that is on an object, or is not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the left.")
    y: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the top.")
    is_on: bool = Field(True, description="Whether the object is there.")
    object: int = Field(0, ge=0, lt=64, description="Which object it is about, counted from 0.")


class Box(BaseModel):
    """A box around an object."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x_min: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the left.")
    y_min: float = Field(ge=0, allow_inf_nan=False, description="Pixels from the top.")
    x_max: float = Field(ge=0, allow_inf_nan=False)
    y_max: float = Field(ge=0, allow_inf_nan=False)


class ImageSegmentationRequest(Request):
    """Say for each pixel of a picture which class or object it belongs to."""

    SPECIAL = frozenset({"task", "threshold", "points", "boxes"})

    image: Picture = Field(description="The picture, an artifact.")
    overlay: bool = Field(True, description="Also make a picture with the classes laid over it in colour.")
    task: Literal["semantic", "instance", "panoptic"] | None = Field(
        None, description="Classes, objects, or both; by default the model's own."
    )
    threshold: float | None = Field(
        None, ge=0.0, le=1.0, allow_inf_nan=False, description="Objects of a lower score are left out."
    )
    points: Annotated[tuple[Point, ...], Field(strict=False)] = Field(
        (), max_length=256, description="Where objects are, for models that are shown them."
    )
    boxes: Annotated[tuple[Box, ...], Field(strict=False)] = Field(
        (), max_length=64, description="Around objects, one each; point.object counts them too."
    )


class Rle(BaseModel):
    """A mask in COCO's compressed run-length encoding, as `pycocotools.mask.decode` takes it."""

    model_config = ConfigDict(frozen=True)

    size: tuple[int, int] = Field(description="Height and width of the picture.")
    counts: str


class Segment(BaseModel):
    """A class or an object, in COCO's terms."""

    model_config = ConfigDict(frozen=True)

    id: int = Field(description="Counted from 1.")
    label: str | None = Field(None, description="None for an object of no known class.")
    score: float | None = None
    area: int = Field(description="Pixels.")
    bbox: tuple[float, float, float, float] = Field(description="Left, top, width, height, in pixels.")
    segmentation: Rle


class ImageSegmentationResult(Result):
    """A class for each pixel of the picture, and the objects where the model tells them apart."""

    mask: Artifact = Field(
        description="Indexed PNG of the picture's size: each pixel is an index into `labels`."
    )
    overlay: Artifact | None = None
    labels: tuple[str, ...]
    areas: dict[str, float] = Field(description="Share of the picture of each class that occurs, 0 to 1.")
    segments: tuple[Segment, ...] = Field(
        (), description="Each class or object that occurs, largest first; a background is none."
    )
