"""What the pipeline of one model can do, so that requests are checked without torch and diffusers."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brushwork_schemas.kinds.registry import all_kinds


class PipelineDescription(BaseModel):
    """A pipeline of diffusers, described once, when its model is added to the catalogue or pulled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_name: str = Field(description="Class of diffusers that `model_index.json` names.")
    parameters: dict[str, tuple[str, ...]] = Field(
        description="For each kind that the pipeline can serve: the optional request fields that it has."
    )
    required: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="For a kind: optional request fields that a request for this model must set.",
    )
    multiple_of: int = Field(
        8, ge=8, le=512, description="Width and height must be multiples of this, in pixels."
    )
    frames_multiple_of: int = Field(
        1, ge=1, description="The number of frames of a video must be a multiple of this, and one more."
    )
    width: int | None = Field(None, ge=16, description="Width that it generates by default, in pixels.")
    height: int | None = Field(None, ge=16, description="Height that it generates by default, in pixels.")
    defaults: dict[str, Any] = Field(
        default_factory=dict,
        description="Default values of request fields. A table named after a kind is for that kind only.",
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Further arguments of its call, the same for every job."
    )
    schedulers: tuple[str, ...] = Field(
        (), description="Classes of diffusers schedulers that work with this pipeline."
    )
    max_input_images: int = Field(
        1, ge=1, description="Largest number of pictures that a request can give to it."
    )

    def defaults_of(self, kind: str) -> Mapping[str, Any]:
        """Return the default values for requests of a kind: only of fields that the pipeline has."""
        own = self.defaults.get(kind, {})
        sizes = {"width": self.width, "height": self.height}
        merged = {**sizes, **self.defaults, **own}
        fields = self.parameters.get(kind, ())
        return {name: merged[name] for name in fields if merged.get(name) is not None}


def fields_of_entry(pipeline: Any, chosen: Any) -> dict[str, Any]:
    """Return kinds, special fields and schedulers of an entry by the description of its pipeline.

    Args:
        pipeline: The description, as the entry has it.
        chosen: The kinds that the entry has; None for all that the pipeline serves.
    """
    try:
        found = PipelineDescription.model_validate(pipeline)
    except ValidationError:
        # The field itself reports what is wrong. Without a description, the model serves nothing yet.
        return {}
    served = chosen if isinstance(chosen, list | tuple) else found.parameters
    kinds = [kind for kind in all_kinds() if kind in found.parameters and kind in served]
    special = {
        name
        for kind in kinds
        for name in found.parameters[kind]
        if name in all_kinds()[kind].request_type.SPECIAL
    }
    return {"kinds": tuple(kinds), "accepts": tuple(sorted(special)), "schedulers": found.schedulers}
