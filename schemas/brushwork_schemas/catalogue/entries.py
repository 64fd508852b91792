"""Entries of a catalogue: a model, or what a job can add to one, and where its files come from."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from brushwork_schemas.catalogue.engine_fit import check_engine
from brushwork_schemas.catalogue.pipeline_description import PipelineDescription, fields_of_entry
from brushwork_schemas.catalogue.source import Source
from brushwork_schemas.families.family import Family
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
Engine = Literal["torch", "onnxruntime", "openvino"]
EnginePrecision = Literal["float32", "bfloat16", "int8"]


class Limits(BaseModel):
    """Limits of a job for this model, besides the limits of its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_side: int = Field(2048, ge=16, description="Largest width and height in pixels.")
    max_pixels_per_job: int = Field(
        64 * 1024 * 1024,
        ge=256,
        description="Largest width x height x number of pictures of a job; of a video, each frame counts.",
    )
    max_steps: int = Field(200, ge=1)
    max_images: int = Field(16, ge=1)
    max_frames: int = Field(250, ge=1, description="Most frames of a video.")


class Model(BaseModel):
    """A model of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=200)
    family: str = Field(
        description="Name of its family, which defines how it is loaded and what a request may contain."
    )
    kinds: tuple[str, ...] = Field(
        (), description="Kinds that it serves; by default all kinds of its family."
    )
    accepts: tuple[str, ...] = Field(
        (), description="Special request fields that it accepts; by default those of its family."
    )
    source: Source
    pipeline: PipelineDescription | None = Field(
        None,
        description="What its pipeline can do, for the family diffusers. `brushwork models add` writes it.",
    )
    licence: str = Field("unknown", pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)
    licence_url: str | None = None
    vae: str | None = Field(
        None,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        max_length=1000,
        description="VAE to use instead of that of its files: a folder, a .safetensors file, or the name of "
        "another model.",
    )
    gated: bool = Field(False, description="Whether its repository requires an accepted licence and a token.")
    dtype: Dtype = "auto"
    quantization: Literal["none", "int8_weight_only", "int4_weight_only"] = Field(
        "none", description="Quantization of the weights of its largest module, by torchao."
    )
    placement: Literal["auto", "cpu", "model_offload"] = Field(
        "auto",
        description="On the device of the worker, on its CPU, or module by module on the device.",
    )
    channels_last: bool = Field(
        False,
        description="Whether convolution weights have the channels last, which is faster on some GPUs.",
    )
    compile: bool = Field(
        False,
        description="Whether to compile its largest module with torch.compile, at the start of the worker.",
    )
    engine: Engine = Field(
        "torch",
        description="What runs its modules on a CPU. onnxruntime and openvino need an extra of brushwork.",
    )
    engine_precision: EnginePrecision = Field(
        "float32",
        description="Number format in which the engine computes: bfloat16 only with openvino, int8 only with "
        "onnxruntime.",
    )
    memory_bytes: int | None = Field(None, ge=1, description="Memory of the loaded model in bytes, if known.")
    safety_checker: bool = Field(True, description="Whether to run the safety checker, if the model has one.")
    schedulers: tuple[str, ...] = Field(
        (), description="Classes of diffusers schedulers that a job may use; by default those of its family."
    )
    defaults: dict[str, Any] = Field(
        default_factory=dict,
        description="Default values of request fields. A table named after a kind is for that kind only.",
    )
    limits: Limits = Limits()
    max_batch: int | None = Field(
        None,
        ge=1,
        description="Largest number of rows in a batch; by default the limit of the worker. "
        "With classifier-free guidance, a picture has two rows.",
    )

    _vae_source: Source | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _from_its_family(cls, entry: Any) -> Any:
        if not isinstance(entry, Mapping) or entry.get("family") not in all_families():
            return entry
        family = all_families()[entry["family"]]
        if family.is_described:
            return {**fields_of_entry(entry.get("pipeline"), entry.get("kinds")), **entry}
        known = {"kinds": family.kinds, "accepts": family.accepts, "schedulers": family.schedulers}
        return {**known, **entry}

    @model_validator(mode="after")
    def _serves_its_kinds(self) -> Self:
        if self.family not in all_families():
            raise ValueError(
                said(
                    "unknown family {family!r}; families are {all_families}",
                    family=self.family,
                    all_families=list(all_families()),
                )
            )
        for kind in self.kinds:
            if kind not in all_kinds():
                raise ValueError(
                    said(
                        "unknown kind {kind!r}; kinds are {all_kinds}", kind=kind, all_kinds=list(all_kinds())
                    )
                )
            if kind not in self.family_spec.kinds:
                raise ValueError(
                    said(
                        "{family} serves {kinds}, not {kind}",
                        family=self.family,
                        kinds=self.family_spec.kinds,
                        kind=kind,
                    )
                )
        kinds = self._kinds_of_settings()
        requests = [all_kinds()[kind].request_type for kind in kinds]
        special = frozenset().union(*(request.SPECIAL for request in requests))
        _known("accepts", set(self.accepts), special)
        known = special if kinds != self.kinds else set(self.family_spec.accepts)
        offered = known.union(*map(self._described_parameters, self.kinds))
        if unaccepted := set(self.accepts) - offered:
            raise ValueError(
                said(
                    "accepts: {family} does not accept {unaccepted}",
                    family=self.family,
                    unaccepted=sorted(unaccepted),
                )
            )
        fields = {name for request in requests for name in request.model_fields}
        _known("defaults", {name for name in self.defaults if name not in kinds}, fields)
        for kind, own in self.defaults.items():
            if kind in kinds:
                if not isinstance(own, dict):
                    raise ValueError(said("defaults.{kind} must be a table of request fields", kind=kind))
                _known(f"defaults.{kind}", set(own), set(all_kinds()[kind].request_type.model_fields))
        for kind in self.kinds:
            self._check_defaults(kind)
        return self

    @model_validator(mode="after")
    def _engine_fits(self) -> Self:
        check_engine(self)
        return self

    @model_validator(mode="after")
    def _is_described(self) -> Self:
        if self.pipeline is None:
            return self
        if not self.family_spec.is_described:
            raise ValueError(said("pipeline: entries of the family {family} have none", family=self.family))
        if unknown := sorted(set(self.kinds) - set(self.pipeline.parameters)):
            raise ValueError(
                said(
                    "kinds: {class_name} does not serve {kinds}",
                    class_name=self.pipeline.class_name,
                    kinds=unknown,
                )
            )
        for name in self.defaults:
            own = self.defaults[name] if name in self.kinds else {name: None}
            kinds = (name,) if name in self.kinds else self.kinds
            for field in own:
                if not any(self.accepts_field(kind, field) for kind in kinds):
                    raise ValueError(
                        said(
                            "defaults: {class_name} has no parameter {name}",
                            class_name=self.pipeline.class_name,
                            name=field,
                        )
                    )
        return self

    def _kinds_of_settings(self) -> tuple[str, ...]:
        """Return the kinds that defaults and accepted fields can be of."""
        if self.kinds or self.pipeline is not None or not self.family_spec.is_described:
            return self.kinds
        # The model serves nothing until its pipeline is described. Its settings are checked again then.
        return tuple(kind for kind in self.family_spec.kinds if kind in all_kinds())

    def _check_defaults(self, kind: str) -> None:
        """Validate the defaults now: later, a wrong one would be reported to callers as their own mistake."""
        for name, value in self.defaults_of(kind).items():
            try:
                _field_of(kind, name).validate_python(value)
            except ValidationError as error:
                reason = first_invalid(error).reason
                raise ValueError(
                    said(
                        "defaults: {name} cannot be {value!r} for {kind}: {reason}",
                        name=name,
                        value=value,
                        kind=kind,
                        reason=reason,
                    )
                ) from None

    @model_validator(mode="after")
    def _file_has_a_base(self) -> Self:
        if self.source.file is not None and self.source.base is None:
            raise ValueError(
                said(
                    "source: a model from a single file needs `base`, the name of a model of the same family "
                    "that provides its configuration and tokenizers"
                )
            )
        return self

    @property
    def vae_source(self) -> Source | None:
        """Where the VAE of the entry comes from, after the catalogue has looked up its name."""
        return self._vae_source

    def with_parts(self, base: Source | None, vae: Source | None) -> Self:
        """Return the entry with the sources of the entries that it names.

        Args:
            base: Source of the model `source.base`.
            vae: Source of the VAE.
        """
        made = self if base is None else self.model_copy(update={"source": self.source.with_base(base)})
        if vae is not None:
            made = made.model_copy()
            made._vae_source = vae
        return made

    @property
    def family_spec(self) -> Family:
        """The family of the model."""
        return all_families()[self.family]

    @property
    def multiple_of(self) -> int:
        """Width and height of generated pictures must be multiples of this, in pixels."""
        return self.family_spec.multiple_of if self.pipeline is None else self.pipeline.multiple_of

    @property
    def frames_multiple_of(self) -> int:
        """The number of frames of a video must be a multiple of this, and one more."""
        return 1 if self.pipeline is None else self.pipeline.frames_multiple_of

    def accepts_field(self, kind: str, field: str) -> bool:
        """Return whether a request of a kind may set a field for this model.

        Args:
            kind: Name of the kind.
            field: Name of a field of its requests.
        """
        request = all_kinds()[kind].request_type
        if field in request.SPECIAL and field not in self.accepts:
            return False
        is_described = self.pipeline is not None and field in request.model_parameters()
        return not is_described or field in self._described_parameters(kind)

    def required_fields(self, kind: str) -> tuple[tuple[str, ...], ...]:
        """Return groups of fields; a request of a kind must set at least one field of each group."""
        own = self.pipeline.required.get(kind, ()) if self.pipeline is not None else ()
        return (*self.family_spec.requires, *((name,) for name in own))

    def defaults_of(self, kind: str) -> dict[str, Any]:
        """Return the default values for requests of a kind."""
        fields = all_kinds()[kind].request_type.model_fields
        # Flat: what the entry itself says outranks what its pipeline has by default.
        described = {} if self.pipeline is None else self.pipeline.defaults_of(kind)
        sources = (self.family_spec.defaults, described, self.defaults)
        found: dict[str, Any] = {}
        for given in sources:
            found |= {name: value for name, value in given.items() if name in fields}
        for given in sources:
            found |= given.get(kind, {})
        if self.pipeline is not None:
            # A default for several kinds is left out for those whose pipeline lacks the parameter.
            found = {name: value for name, value in found.items() if self.accepts_field(kind, name)}
        return {name: value for name, value in found.items() if name in fields}

    def _described_parameters(self, kind: str) -> tuple[str, ...]:
        return () if self.pipeline is None else self.pipeline.parameters.get(kind, ())


AddOnType = Literal["lora", "controlnet", "ip-adapter", "textual-inversion"]


class AddOn(BaseModel):
    """What a job can add to a model: a LoRA adapter, ControlNet, IP-Adapter or textual inversion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=200)
    type: AddOnType
    family: str = Field(description="Family of the models that it fits.")
    source: Source
    weight_name: str | None = Field(
        None, description="File of the weights, if the source has several. Not for a ControlNet."
    )
    image_encoder: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
        description="For an IP-Adapter: folder of its image encoder in the source; by default image_encoder, "
        "beside the weights.",
    )
    token: str | None = Field(
        None,
        pattern=r"^\S+$",
        max_length=100,
        description="For a textual inversion: word of a prompt that stands for it; by default its name.",
    )
    licence: str = Field("unknown", pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)
    dtype: Dtype = "auto"

    @property
    def prompt_token(self) -> str:
        """The word of a prompt that stands for a textual inversion."""
        return self.token or self.name

    @model_validator(mode="after")
    def _of_its_type(self) -> Self:
        for field, owner in (("image_encoder", "ip-adapter"), ("token", "textual-inversion")):
            if getattr(self, field) is not None and self.type != owner:
                raise ValueError(
                    said("{field}: only an entry of type {type} has it", field=field, type=owner)
                )
        return self

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_file(cls, entry: Any) -> Any:
        source = entry.get("source") if isinstance(entry, Mapping) else None
        if isinstance(source, Source):
            file: Any = source.file
        else:
            file = source.get("file") if isinstance(source, Mapping) else None
        return {**entry, "weight_name": Path(file).name} if isinstance(file, str | Path) else entry


def _known(what: str, given: set[str], known: set[str] | frozenset[str]) -> None:
    if unknown := given - known:
        raise ValueError(
            said("{what}: unknown request fields: {unknown}", what=what, unknown=sorted(unknown))
        )


@cache
def _field_of(kind: str, name: str) -> TypeAdapter[Any]:
    field: Any = all_kinds()[kind].request_type.model_fields[name]
    return TypeAdapter(Annotated[field.annotation, field])
