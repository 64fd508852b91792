"""What the results of all kinds have in common."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.request import is_unset
from brushwork_schemas.warnings import ResultWarning


class Timings(BaseModel):
    """Where the time of a job went, in seconds."""

    model_config = ConfigDict(frozen=True)

    queued_s: float = Field(description="From acceptance to the claim of the worker that finished the job.")
    loading_s: float = Field(description="Loading the model and reading the inputs.")
    running_s: float = Field(description="Inference, with decoding and encoding of pictures.")


class DenoiserCalls(BaseModel):
    """How often a job with `acceleration` called its denoiser."""

    model_config = ConfigDict(frozen=True)

    computed: int = Field(ge=0, description="Calls that the denoiser has computed.")
    skipped: int = Field(ge=0, description="Calls whose answer was estimated from earlier ones.")


class Provenance(BaseModel):
    """With the request, all that is needed to reproduce a result."""

    model_config = ConfigDict(frozen=True)

    model: str
    model_revision: str = Field(description="SHA-256 of the model's files, or the commit it is pinned to.")
    versions: dict[str, str] = Field(description="Versions of the packages that were used.")
    device: str
    dtype: str
    engine: str = Field(
        "torch", description="What ran the modules in `engine_modules`. torch ran all others."
    )
    engine_precision: str = Field("float32", description="Number format in which the engine computed.")
    engine_modules: dict[str, str] = Field(
        default_factory=dict,
        description="What ran each module that has an engine: its name, `torch`, or both if some calls had "
        "adapters, or arguments of another form than the exported one.",
    )
    denoiser_calls: DenoiserCalls | None = Field(
        None, description="Computed and skipped calls of the denoiser. None without `acceleration`."
    )
    worker: str
    attempt: int
    timings: Timings


class Result(BaseModel):
    """Fields of every result."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    provenance: Provenance
    warnings: tuple[ResultWarning, ...] = Field(
        (), description="What was done in another way than the request says. Empty if nothing was."
    )
    explanation: Explanation | None = Field(
        None, exclude_if=is_unset, description="Why the model gave this result, if the request asked for it."
    )
