"""The catalogue: which models there are, what each can do, and where its files come from."""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from brushwork_schemas.errors import InvalidRequest, UnknownModel
from brushwork_schemas.kinds import KINDS

PACKAGED = Path(__file__).parent / "catalogue.toml"


class Source(BaseModel):
    """Where a model's files come from: exactly one of the three places."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    library: Literal["diffusers", "transformers", "torchvision"]
    packaged: str | None = Field(None, description="Name of a model inside the wheel.")
    folder: Path | None = Field(None, description="A folder in the layout of its library's save_pretrained.")
    repository: str | None = Field(
        None, description="Hugging Face repository, read from the local cache only."
    )
    revision: str | None = Field(None, description="Commit the repository is pinned to.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.packaged, self.folder, self.repository)) != 1:
            raise ValueError("name exactly one of packaged, folder and repository")
        if self.repository is not None and self.revision is None:
            raise ValueError('pin the repository with revision = "<commit>"')
        return self


class Limits(BaseModel):
    """What a job may ask of this model, beyond the limits of its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_side: int = Field(2048, description="Largest width and height, in pixels.")
    max_pixels_per_job: int = Field(
        64 * 1024 * 1024, description="Largest width x height x pictures of one job."
    )
    max_steps: int = 200
    max_images: int = 16


class Model(BaseModel):
    """An entry of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=200)
    kind: str
    source: Source
    licence: str = "unknown"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    schedulers: tuple[str, ...] = Field((), description="diffusers scheduler classes that a job may ask for.")
    defaults: dict[str, Any] = Field(default_factory=dict, description="Request fields and their values.")
    limits: Limits = Limits()
    max_batch: int | None = Field(
        None,
        ge=1,
        description="Most rows of one call of its modules that jobs share; by default the worker's bound. "
        "Classifier-free guidance makes two rows of a picture.",
    )

    @model_validator(mode="after")
    def _serves_its_kind(self) -> Self:
        if self.kind not in KINDS:
            raise ValueError(f"there is no kind {self.kind!r}; kinds are {', '.join(KINDS)}")
        unknown = self.defaults.keys() - KINDS[self.kind].request_type.model_fields.keys()
        if unknown:
            raise ValueError(f"defaults name no parameter of {self.kind}: {', '.join(sorted(unknown))}")
        return self


class Catalogue:
    """Models by name, in the order of the file; the first of a kind is its default."""

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models

    @classmethod
    def load(cls, user_file: Path | None = None) -> "Catalogue":
        """The packaged models, with those of `user_file` added or put in their place.

        Raises:
            InvalidRequest: A file can't be read; the message names file, model and field.
        """
        packaged = _packaged()
        if user_file is None:
            return cls(packaged)
        added = _read(user_file)
        return cls({**added, **{name: model for name, model in packaged.items() if name not in added}})

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def of_kind(self, kind: str) -> list[Model]:
        """All models that serve `kind`."""
        return [model for model in self if model.kind == kind]

    def named(self, name: str | None, kind: str) -> Model:
        """The model of that name, or the default of the kind where `name` is None.

        Raises:
            UnknownModel: There is none, or it serves another kind.
        """
        candidates = self.of_kind(kind)
        for model in candidates:
            if name in (None, model.name):
                return model
        known = ", ".join(model.name for model in candidates) or "none"
        found = self._models.get(name) if name else None
        reason = f"serves {found.kind}, not {kind}" if found else "is not in the catalogue"
        message = f"Model {name!r} {reason}." if name else f"The catalogue has no model for {kind}."
        raise UnknownModel(message, field="model", hint=f"Models for {kind}: {known}.")


@cache
def _packaged() -> dict[str, Model]:
    return _read(PACKAGED)


def _read(file: Path) -> dict[str, Model]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(file, str(error)) from error
    entries = content.pop("models", {})
    if content or not isinstance(entries, dict):
        raise _unreadable(file, "each entry is a table [models.<name>], and there is nothing else")
    return {name: _model(file, name, entry) for name, entry in entries.items()}


def _model(file: Path, name: str, entry: Any) -> Model:
    if isinstance(entry, dict) and "name" in entry:
        raise _unreadable(file, f"models.{name}: the table's own name is its name")
    try:
        return Model.model_validate({"name": name, **entry} if isinstance(entry, dict) else entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in ("models", name, *first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise _unreadable(file, f"{field}: {reason}") from error


def _unreadable(file: Path, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"The catalogue {file} can't be read: {reason}.",
        field="catalogue",
        hint="The packaged catalogue.toml shows how an entry looks.",
    )
