"""The catalogue: which models there are, by name and by kind."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from brushwork_schemas.catalogue.entries import AddOn, Model
from brushwork_schemas.catalogue.named_parts import linked, with_named_parts
from brushwork_schemas.catalogue.reading import read_entries
from brushwork_schemas.catalogue.trained_models import TRAINED, trained_model, trains_for
from brushwork_schemas.errors import InvalidRequest, UnknownModel
from brushwork_schemas.plugins import CATALOGUES, leave_out_part, registered
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import either, said

_Entry = TypeVar("_Entry")
PACKAGED = Path(__file__).parent / "catalogue.toml"
# A message has room for so many.
MOST_OFFERED = 8


class Catalogue:
    """Models in the order of the file. The first model of a kind is its default.

    Args:
        models: Models by name.
        add_ons: LoRA adapters, ControlNets, IP-Adapters and textual inversions by name.
    """

    def __init__(self, models: dict[str, Model], add_ons: Mapping[str, AddOn] | None = None) -> None:
        self._models = models
        self._add_ons = dict(add_ons or {})

    @classmethod
    def load(cls, user_file: Path | None = None) -> "Catalogue":
        """Return the models of all registered catalogues and of `user_file`.

        Models of `user_file` come first and replace others of the same name. The built-in catalogue comes
        before those of plug-ins. A file of a plug-in that cannot be read is left out and logged, and so is
        each of its entries that cannot be used.

        Raises:
            InvalidRequest: `user_file` cannot be read. The message names file, model and field.
        """
        packaged = _packaged()
        if user_file is None:
            return packaged
        models, add_ons = read_entries(user_file)
        kept = {name: model for name, model in packaged._models.items() if name not in models}
        every = {**models, **kept}
        return cls(linked(every, every, partial(_wrong_entry, user_file)), {**packaged._add_ons, **add_ons})

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def add_ons(self) -> tuple[AddOn, ...]:
        """All LoRA adapters, ControlNets, IP-Adapters and textual inversions."""
        return tuple(self._add_ons.values())

    def with_named_parts(self, model: Model) -> Model:
        """Return an entry that is not in the catalogue, with the sources of the entries that it names.

        Raises:
            InvalidRequest: It names an entry that does not exist or does not fit.
        """
        return with_named_parts(model, self._models)

    def of_kind(self, kind: str) -> list[Model]:
        """Return all models that serve `kind`."""
        return [model for model in self if kind in model.kinds]

    def named(self, name: str | None, kind: str) -> Model:
        """Return the model of that name; the default of the kind if `name` is None.

        A name that begins with `trained:` is a model that a job has trained. Whether that job exists is not
        checked here.

        Raises:
            UnknownModel: No model has this name, or it serves another kind.
        """
        if name is not None and name.startswith(TRAINED):
            return trained_model(name, kind)
        candidates = self.of_kind(kind)
        for model in candidates:
            if name in (None, model.name):
                return model
        message = self._why_not(name, kind)
        names = [model.name for model in candidates]
        close = nearest_name(name, names) if name and name not in self._models else None
        raise UnknownModel(message, field="model", hint=_offered(names, kind, close))

    def _why_not(self, name: str | None, kind: str) -> str:
        if not name:
            return said("The catalogue has no model for {kind}.", kind=kind)
        if (found := self._models.get(name)) is not None:
            message = "Model {name!r} serves {kinds}, not {kind}."
            return said(message, name=name, kinds=found.kinds, kind=kind)
        return said("Model {name!r} is not in the catalogue.", name=name)

    def entry(self, name: str) -> "Model | AddOn":
        """Return the model or add-on of that name.

        Raises:
            UnknownModel: No entry has this name.
        """
        found = self._models.get(name) or self._add_ons.get(name)
        if found is not None:
            return found
        close = difflib.get_close_matches(name, [*self._models, *self._add_ons], n=3)
        raise UnknownModel(
            said("{name!r} is not in the catalogue.", name=name),
            field="model",
            hint=said("Did you mean {names}?", names=either(close))
            if close
            else "To list all entries: brushwork models",
        )

    def add_on(self, name: str, sort: str, model: Model, field: str) -> AddOn:
        """Return the add-on of that name.

        Args:
            name: Name of the entry.
            sort: Type of the entry, such as `lora`.
            model: Model that the entry must fit.
            field: Field of the request, for error messages.

        Raises:
            UnknownModel: No entry has this name, or it fits another family.
        """
        fitting = [each for each in self.add_ons if each.type == sort and each.family == model.family]
        for each in fitting:
            if each.name == name:
                return each
        names = [each.name for each in fitting]
        hint = said(
            "There is none. To add one: "
            "brushwork models add NAME --type {sort} --family {family} --folder PATH",
            sort=sort,
            family=model.family,
        )
        if close := nearest_name(name, names):
            hint = said("Did you mean {name!r}? Choose one of: {names}.", name=close, names=names)
        elif names:
            hint = said("Choose one of: {names}.", names=names)
        raise UnknownModel(
            said(
                "{field}: the catalogue has no {sort} {name!r} for {model}.",
                field=field,
                sort=sort,
                name=name,
                model=model.name,
            ),
            field=field,
            hint=hint,
        )


def _offered(names: Sequence[str], kind: str, close: str | None) -> str:
    offered = said("Models for {kind}: {names}.", kind=kind, names=names or said("none"))
    if (left_out := len(names) - MOST_OFFERED) > 0:
        some = names[:MOST_OFFERED]
        offered = said("Models for {kind}: {names} and {more} more.", kind=kind, names=some, more=left_out)
    if close:
        offered = said("Did you mean {name!r}? {offered}", name=close, offered=offered)
    if trains_for(kind):
        more = said("trained:<job id> selects a model that a job trained.")
        offered = said("{offered} {more}", offered=offered, more=more)
    return offered


@cache
def _packaged() -> Catalogue:
    models: dict[str, Model] = {}
    add_ons: dict[str, AddOn] = {}
    for key, file in registered(CATALOGUES, Path, str, _check_readable).items():
        more_models, more_add_ons = read_entries(file, partial(_leave_out, key))
        # The first file that names a model wins, and its models come first.
        new = _new(key, "models", models, more_models)
        models |= linked(new, {**models, **new}, partial(_leave_out, key))
        add_ons |= _new(key, "add-ons", add_ons, more_add_ons)
    return Catalogue(models, add_ons)


def _check_readable(file: Path) -> None:
    """Raise InvalidRequest if no entry of a file can be read. A wrong entry alone does not matter here."""
    read_entries(file, lambda name, error: None)


def _wrong_entry(file: Path, name: str, error: InvalidRequest) -> None:
    raise InvalidRequest(
        said("Invalid catalogue {file}: {reason}", file=file, reason=error.message),
        field="catalogue",
        hint=error.hint,
    ) from error


def _leave_out(key: str, name: str, error: InvalidRequest) -> None:
    leave_out_part(CATALOGUES, key, name, error.message)


def _new(
    key: str, section: str, known: Mapping[str, _Entry], more: Mapping[str, _Entry]
) -> dict[str, _Entry]:
    for name in sorted(known.keys() & more.keys()):
        leave_out_part(CATALOGUES, key, f"{section}.{name}", f"{name!r} is in another catalogue already")
    return {name: entry for name, entry in more.items() if name not in known}
