"""Where the files of a catalogue entry come from."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from brushwork_schemas.artifact import Sha256
from brushwork_schemas.wording.phrase import said

PLACES = ("packaged", "folder", "file", "repository", "modelscope", "weights", "architecture", "job")
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"


class Source(BaseModel):
    """Where the files of a model come from. Exactly one of the places is set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packaged: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]+$", description="Name of a model in the wheel."
    )
    folder: Path | None = Field(None, description="A folder in the layout of `save_pretrained`.")
    file: Path | None = Field(
        None,
        description="A single .safetensors file: a checkpoint, which needs `base`, or a LoRA adapter.",
    )
    base: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$",
        max_length=200,
        description="Name of the model that provides what the single file lacks.",
    )
    repository: str | None = Field(
        None,
        pattern=rf"^{_NAME}(/{_NAME})?$",
        description="Hugging Face repository. `brushwork models pull` downloads it; workers never do.",
    )
    modelscope: str | None = Field(
        None, pattern=rf"^{_NAME}/{_NAME}$", description="ModelScope repository; also pulled."
    )
    weights: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_]+\.[A-Za-z0-9_]+$",
        description="torchvision weights, such as ResNet50_Weights.IMAGENET1K_V2; also pulled.",
    )
    architecture: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_]+$",
        description="Architecture of an untrained model, which needs no file.",
    )
    job: str | None = Field(None, description="Id of the job that trained the model.")
    revision: str | None = Field(None, pattern="^[0-9a-f]{40}$", description="Commit of the repository.")
    variant: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="Variant of the weights: `fp16` for model.fp16.safetensors.",
    )
    files: dict[str, Sha256] = Field(
        default_factory=dict,
        description="Required SHA-256 of files, by their path in the folder or repository.",
    )
    _base_source: "Source | None" = PrivateAttr(None)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(getattr(self, place) is not None for place in PLACES) != 1:
            raise ValueError(said("exactly one of {places} must be set", places=PLACES))
        if (self.repository or self.modelscope) is not None and self.revision is None:
            raise ValueError('a repository must be pinned: set revision = "<commit>" with all 40 digits')
        if self.base is not None and self.file is None:
            raise ValueError("base: only a source with `file` has a base")
        return self

    @property
    def repository_name(self) -> str | None:
        """The repository, on Hugging Face or ModelScope; None if the files come from elsewhere."""
        return self.repository or self.modelscope

    @property
    def base_source(self) -> "Source | None":
        """Where the files of `base` come from, after the catalogue has looked up its name."""
        return self._base_source

    def with_base(self, base: "Source") -> Self:
        """Return the source with that of its base.

        Args:
            base: Source of the model that `base` names. The variant of its weights is taken over.
        """
        made = self.model_copy(update={"variant": base.variant})
        made._base_source = base
        return made
