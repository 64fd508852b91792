"""Entries that name other entries: the base of a single file, and the VAE of a model."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from brushwork_schemas.catalogue.entries import Model
from brushwork_schemas.catalogue.source import Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import said

_WEIGHTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def is_path(vae: str) -> bool:
    """Return whether `vae` of an entry is the path of a folder or of a file, and not the name of an entry."""
    return "/" in vae or "\\" in vae or vae.startswith(".") or PurePath(vae).suffix.lower() in _WEIGHTS


def linked(
    models: Mapping[str, Model],
    known: Mapping[str, Model],
    refuse: Callable[[str, InvalidRequest], None] | None = None,
) -> dict[str, Model]:
    """Return models with the sources of the entries that they name.

    Args:
        models: The models by name.
        known: All models of the catalogue by name.
        refuse: Called with the name and the error of an entry that names no entry that fits; the entry is
            left out. By default this is an error.

    Raises:
        InvalidRequest: An entry names no entry that fits.
    """
    found = {}
    for name, model in models.items():
        try:
            found[name] = with_named_parts(model, known)
        except InvalidRequest as error:
            if refuse is None:
                raise
            refuse(f"models.{name}", error)
    return found


def with_named_parts(model: Model, models: Mapping[str, Model]) -> Model:
    """Return a model with the sources of its base and of its VAE.

    Args:
        model: The entry.
        models: All models of the catalogue by name.

    Raises:
        InvalidRequest: It names an entry that does not exist or does not fit.
    """
    base = None if model.source.base is None else _base(model, models).source
    return model.with_parts(base, None if model.vae is None else _vae(model, model.vae, models))


def _base(model: Model, models: Mapping[str, Model]) -> Model:
    name = str(model.source.base)
    found = _named(model, name, models, "source.base")
    if found.source.file is not None:
        raise InvalidRequest(
            said("models.{model}.source.base: {name} is a single file itself.", model=model.name, name=name),
            field="source.base",
            hint=said("Use its base, {base}.", base=found.source.base),
        )
    if found.family != model.family:
        raise InvalidRequest(
            said(
                "models.{model}.source.base: {name} is of the family {theirs}, not of {own}.",
                model=model.name,
                name=name,
                theirs=found.family,
                own=model.family,
            ),
            field="source.base",
            hint=said('Set family = "{theirs}", or name another base.', theirs=found.family),
        )
    return found


def _vae(model: Model, vae: str, models: Mapping[str, Model]) -> Source:
    if is_path(vae):
        path = Path(vae)
        return Source(file=path) if path.suffix.lower() in _WEIGHTS else Source(folder=path)
    found = _named(model, vae, models, "vae")
    if found.vae is not None:
        if is_path(found.vae):
            return _vae(found, found.vae, models)
        raise InvalidRequest(
            said("models.{model}.vae: {name} has no VAE of its own.", model=model.name, name=vae),
            field="vae",
            hint=said("Use that of {vae}.", vae=found.vae),
        )
    return found.source.with_base(_base(found, models).source) if found.source.file else found.source


def _named(model: Model, name: str, models: Mapping[str, Model], field: str) -> Model:
    if name in models:
        return models[name]
    close = nearest_name(name, list(models))
    raise InvalidRequest(
        said(
            "models.{model}.{field}: no model has the name {name!r}.",
            model=model.name,
            field=field,
            name=name,
        ),
        field=field,
        hint=said("Did you mean {name!r}?", name=close) if close else "To list all models: brushwork models",
    )
