"""The request field `explain`: which explanation of its result a job makes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from brushwork_schemas.kinds.request import Request, Text, is_unset, not_blank

Method = Literal["occlusion", "integrated-gradients", "grad-cam", "confidence", "tokens", "words"]
Fill = Literal["mean", "blur", "black", "gray", "white"]
Word = Annotated[Text, Field(max_length=100), AfterValidator(not_blank)]

PARAMETERS: Mapping[Method, frozenset[str]] = {
    "occlusion": frozenset({"target", "patch_size", "stride", "fill", "faithfulness"}),
    "integrated-gradients": frozenset({"target", "fill", "num_samples", "faithfulness"}),
    "grad-cam": frozenset({"target", "faithfulness"}),
    "confidence": frozenset({"target", "patch_size", "stride", "fill"}),
    "tokens": frozenset({"words", "patch_size", "stride", "fill"}),
    "words": frozenset({"words", "num_samples"}),
}
"""The fields of `Explain` that each method reads, besides `method`."""


class Explain(BaseModel):
    """Which explanation a job makes, and how fine it is.

    A field that the method does not read is refused. Without a value, the method has its default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: Method | None = Field(None, description="The method; by default the first of the kind.")
    target: Text | None = Field(
        None, max_length=200, description="Name of the class to explain; by default the best class."
    )
    words: Annotated[tuple[Word, ...], Field(strict=False)] | None = Field(
        None,
        min_length=1,
        max_length=32,
        description="Words of the prompt or caption to explain; by default its content words.",
    )
    patch_size: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Side of the square that covers a part of the picture, in pixels of the picture; 3/16 "
        "of its shorter side by default.",
    )
    stride: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Distance between two positions of the square, in pixels of the picture; half of "
        "`patch_size` by default.",
    )
    fill: Fill | None = Field(
        None, description="What covers a part of the picture: its mean colour by default."
    )
    num_samples: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Steps of the path of integrated gradients, 16 by default; or how many other words take "
        "the place of each word, 1 by default.",
    )
    faithfulness: bool = Field(
        False,
        description="Also measure how the score changes while the most important parts are deleted and "
        "inserted (Petsiuk et al., 2018).",
    )


def _from_short(given: object) -> object:
    """Return the long form of `true`, `false` or the name of a method."""
    if given is False:
        return None
    if given is True:
        return {}
    return {"method": given} if isinstance(given, str) else given


ExplainChoice = Annotated[
    Explain | None,
    BeforeValidator(_from_short, json_schema_input_type=bool | Method | Explain | None),
    Field(
        # Workers of older versions do not know the field. They can run jobs that do not use it.
        exclude_if=is_unset,
        title="Explanation",
        description="Also explain the result: true, the name of a method, or an object with its settings.",
    ),
]


class ExplainableRequest(Request):
    """Fields of requests whose results can be explained."""

    ADVANCED = Request.ADVANCED | {"explain"}

    explain: ExplainChoice = None


def method_of(request: Any) -> Method | None:
    """Return the method of the explanation that a complete request asks for; None if it asks for none."""
    explain = getattr(request, "explain", None)
    return explain.method if isinstance(explain, Explain) else None


EXPLAIN_CHINESE = {
    "field.explain.label": "解释",
    "field.explain.hint": "同时说明结果从何而来：填 true、方法名，或带设置的对象。",
}
"""Chinese label and hint of the field."""
