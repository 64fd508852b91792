"""Entries of a catalogue: a model, a LoRA adapter or a ControlNet, and where its files come from."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from brushwork_schemas.artifact import Sha256
from brushwork_schemas.families.family import Family
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.validation import first_invalid

Dtype = Literal["auto", "float32", "float16", "bfloat16"]


class Source(BaseModel):
    """Where a model's files come from: exactly one of the places."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packaged: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]+$", description="Name of a model inside the wheel."
    )
    folder: Path | None = Field(None, description="A folder in the layout of its library's save_pretrained.")
    repository: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?$",
        description="Hugging Face repository; `brushwork models pull` fetches it, workers never do.",
    )
    weights: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_]+\.[A-Za-z0-9_]+$",
        description="torchvision weights, such as ResNet50_Weights.IMAGENET1K_V2; pulled likewise.",
    )
    architecture: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_]+$",
        description="Built here, of no file: for models to be trained.",
    )
    job: str | None = Field(None, description="The job that trained it.")
    revision: str | None = Field(
        None, pattern="^[0-9a-f]{40}$", description="Commit the repository is pinned to."
    )
    variant: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="Of the weights' files: fp16 for model.fp16.safetensors.",
    )
    files: dict[str, Sha256] = Field(
        default_factory=dict,
        description="SHA-256 of files that must be as they were, by their path in folder or repository.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = ("packaged", "folder", "repository", "weights", "architecture", "job")
        if sum(getattr(self, place) is not None for place in places) != 1:
            raise ValueError(f"name exactly one of {', '.join(places)}")
        if self.repository is not None and self.revision is None:
            raise ValueError('pin the repository with revision = "<commit>", all 40 digits of it')
        return self


class Limits(BaseModel):
    """What a job may ask of this model, beyond the limits of its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_side: int = Field(2048, ge=16, description="Largest width and height, in pixels.")
    max_pixels_per_job: int = Field(
        64 * 1024 * 1024, ge=256, description="Largest width x height x pictures of one job."
    )
    max_steps: int = Field(200, ge=1)
    max_images: int = Field(16, ge=1)


class Model(BaseModel):
    """An entry of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=200)
    family: str = Field(description="How it is loaded and what it can be asked; see `families.py`.")
    kinds: tuple[str, ...] = Field((), description="What it serves; by default all that its family can.")
    accepts: tuple[str, ...] = Field(
        (), description="Special fields of its requests that it knows; by default those of its family."
    )
    source: Source
    licence: str = Field("unknown", pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)
    licence_url: str | None = None
    gated: bool = Field(False, description="Whether its repository asks for an accepted licence and a token.")
    dtype: Dtype = "auto"
    quantization: Literal["none", "int8_weight_only", "int4_weight_only"] = Field(
        "none", description="Of the largest module's weights, by torchao."
    )
    placement: Literal["auto", "cpu", "model_offload"] = Field(
        "auto",
        description="On the worker's device; on its CPU; or module by module on the device.",
    )
    channels_last: bool = Field(
        False, description="Lay out convolutions' weights with the channels last, which some GPUs prefer."
    )
    compile: bool = Field(False, description="torch.compile its largest module, warmed at start.")
    memory_bytes: int | None = Field(None, ge=1, description="What it takes when loaded, if that is known.")
    safety_checker: bool = Field(True, description="Whether to run it, where the model ships one.")
    schedulers: tuple[str, ...] = Field(
        (), description="diffusers scheduler classes that a job may ask for; by default those of its family."
    )
    defaults: dict[str, Any] = Field(
        default_factory=dict,
        description="Request fields and their values; in a table named for a kind, for that kind alone.",
    )
    limits: Limits = Limits()
    max_batch: int | None = Field(
        None,
        ge=1,
        description="Most rows of one call of its modules that jobs share; by default the worker's bound. "
        "Classifier-free guidance makes two rows of a picture.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_its_family(cls, entry: Any) -> Any:
        if not isinstance(entry, Mapping) or entry.get("family") not in all_families():
            return entry
        family = all_families()[entry["family"]]
        known = {"kinds": family.kinds, "accepts": family.accepts, "schedulers": family.schedulers}
        return {**known, **entry}

    @model_validator(mode="after")
    def _serves_its_kinds(self) -> Self:
        if self.family not in all_families():
            raise ValueError(f"there is no family {self.family!r}; families are {', '.join(all_families())}")
        for kind in self.kinds:
            if kind not in all_kinds():
                raise ValueError(f"there is no kind {kind!r}; kinds are {', '.join(all_kinds())}")
            if kind not in self.family_spec.kinds:
                raise ValueError(f"{self.family} serves {', '.join(self.family_spec.kinds)}, not {kind}")
        requests = [all_kinds()[kind].request_type for kind in self.kinds]
        special = frozenset().union(*(request.SPECIAL for request in requests))
        _known("accepts", set(self.accepts), special)
        if unheard := set(self.accepts) - set(self.family_spec.accepts):
            raise ValueError(f"{self.family} has no {', '.join(sorted(unheard))}")
        fields = {name for request in requests for name in request.model_fields}
        _known("defaults", {name for name in self.defaults if name not in self.kinds}, fields)
        for kind, own in self.defaults.items():
            if kind in self.kinds:
                if not isinstance(own, dict):
                    raise ValueError(f"defaults.{kind} is a table of that kind's fields")
                _known(f"defaults.{kind}", set(own), set(all_kinds()[kind].request_type.model_fields))
        for kind in self.kinds:
            self._check_defaults(kind)
        return self

    def _check_defaults(self, kind: str) -> None:
        """What is wrong here would be told to each caller as a fault of the caller's own."""
        for name, value in self.defaults_of(kind).items():
            try:
                _field_of(kind, name).validate_python(value)
            except ValidationError as error:
                reason = first_invalid(error).reason
                raise ValueError(f"defaults: {name} cannot be {value!r} for {kind}: {reason}") from None

    @property
    def family_spec(self) -> Family:
        """Its family."""
        return all_families()[self.family]

    def defaults_of(self, kind: str) -> dict[str, Any]:
        """What a request of that kind gets where its caller says nothing."""
        fields = all_kinds()[kind].request_type.model_fields
        found: dict[str, Any] = {}
        for given in (self.family_spec.defaults, self.defaults):
            found |= {name: value for name, value in given.items() if name in fields}
        for given in (self.family_spec.defaults, self.defaults):
            found |= given.get(kind, {})
        return found


class AddOn(BaseModel):
    """A LoRA adapter or a ControlNet: what a job may add to a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=200)
    type: Literal["lora", "controlnet"]
    family: str = Field(description="The models that it fits.")
    source: Source
    weight_name: str | None = Field(None, description="The file of a LoRA adapter, where there are several.")
    licence: str = Field("unknown", pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)
    dtype: Dtype = "auto"


def _known(what: str, given: set[str], known: set[str] | frozenset[str]) -> None:
    if unknown := given - known:
        raise ValueError(f"{what} names no parameter of its kinds: {', '.join(sorted(unknown))}")


@cache
def _field_of(kind: str, name: str) -> TypeAdapter[Any]:
    field: Any = all_kinds()[kind].request_type.model_fields[name]
    return TypeAdapter(Annotated[field.annotation, field])
