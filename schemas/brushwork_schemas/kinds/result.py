"""What a finished job holds, one frozen model for each kind, in Hugging Face's terms."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Timings(BaseModel):
    """Where a job's time went, in seconds."""

    model_config = ConfigDict(frozen=True)

    queued_s: float = Field(description="From accepted to claimed by the worker that finished it.")
    loading_s: float = Field(description="Getting the model ready and reading the inputs.")
    running_s: float = Field(description="Inference, with decoding and encoding of pictures.")


class Provenance(BaseModel):
    """With the request, all that is needed to make a result again."""

    model_config = ConfigDict(frozen=True)

    model: str
    model_revision: str = Field(description="SHA-256 over the model's files, or the commit it was pinned to.")
    versions: dict[str, str] = Field(description="Packages that took part.")
    device: str
    dtype: str
    worker: str
    attempt: int
    timings: Timings


class Result(BaseModel):
    """What all results have in common."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    provenance: Provenance
