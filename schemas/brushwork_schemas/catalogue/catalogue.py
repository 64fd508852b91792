"""The catalogue: which models there are, by name and by kind."""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from brushwork_schemas.catalogue.entries import AddOn, Model
from brushwork_schemas.catalogue.reading import read_entries
from brushwork_schemas.catalogue.trained_models import TRAINED, trained_model, trains_for
from brushwork_schemas.errors import UnknownModel
from brushwork_schemas.plugins import catalogue_files

PACKAGED = Path(__file__).parent / "catalogue.toml"


class Catalogue:
    """Models by name, in the order of the file; the first of a kind is its default.

    Args:
        models: By name.
        add_ons: LoRA adapters and ControlNets by name.
    """

    def __init__(self, models: dict[str, Model], add_ons: Mapping[str, AddOn] | None = None) -> None:
        self._models = models
        self._add_ons = dict(add_ons or {})

    @classmethod
    def load(cls, user_file: Path | None = None) -> "Catalogue":
        """Return the models of all registered catalogues and of `user_file`.

        Models of `user_file` come first and replace others of the same name. The built-in catalogue comes
        before those of plug-ins.

        Raises:
            InvalidRequest: A file cannot be read. The message names file, model and field.
        """
        packaged = _packaged()
        if user_file is None:
            return packaged
        models, add_ons = read_entries(user_file)
        kept = {name: model for name, model in packaged._models.items() if name not in models}
        return cls({**models, **kept}, {**packaged._add_ons, **add_ons})

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def add_ons(self) -> tuple[AddOn, ...]:
        """LoRA adapters and ControlNets."""
        return tuple(self._add_ons.values())

    def of_kind(self, kind: str) -> list[Model]:
        """All models that serve `kind`."""
        return [model for model in self if kind in model.kinds]

    def named(self, name: str | None, kind: str) -> Model:
        """The model of that name, or the default of the kind where `name` is None.

        A name that begins with `trained:` is that of a model that a job has trained; whether that job is
        there is for the ledger to say.

        Raises:
            UnknownModel: There is none, or it serves another kind.
        """
        if name is not None and name.startswith(TRAINED):
            return trained_model(name, kind)
        candidates = self.of_kind(kind)
        for model in candidates:
            if name in (None, model.name):
                return model
        known = ", ".join(model.name for model in candidates) or "none"
        found = self._models.get(name) if name else None
        reason = f"serves {', '.join(found.kinds)}, not {kind}" if found else "is not in the catalogue"
        message = f"Model {name!r} {reason}." if name else f"The catalogue has no model for {kind}."
        also = " trained:<job id> selects a model that a job trained." if trains_for(kind) else ""
        raise UnknownModel(message, field="model", hint=f"Models for {kind}: {known}.{also}")

    def entry(self, name: str) -> "Model | AddOn":
        """The model, LoRA adapter or ControlNet of that name.

        Raises:
            UnknownModel: There is none.
        """
        found = self._models.get(name) or self._add_ons.get(name)
        if found is not None:
            return found
        close = difflib.get_close_matches(name, [*self._models, *self._add_ons], n=3)
        raise UnknownModel(
            f"{name!r} is not in the catalogue.",
            field="model",
            hint=f"Did you mean {' or '.join(close)}?" if close else "brushwork models lists what is.",
        )

    def add_on(self, name: str, sort: str, model: Model, field: str) -> AddOn:
        """The LoRA adapter or ControlNet of that name, which fits `model`.

        Raises:
            UnknownModel: There is none, or it fits another family.
        """
        fitting = [each for each in self.add_ons if each.type == sort and each.family == model.family]
        for each in fitting:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in fitting)
        raise UnknownModel(
            f"{field}: {name!r} is no {sort} of the catalogue that fits {model.name}.",
            field=field,
            hint=f"There {'is' if len(fitting) == 1 else 'are'}: {known}."
            if fitting
            else f"None does. To add one: "
            f"brushwork models add NAME --type {sort} --family {model.family} --folder PATH",
        )


@cache
def _packaged() -> Catalogue:
    models: dict[str, Model] = {}
    add_ons: dict[str, AddOn] = {}
    for file in catalogue_files():
        more_models, more_add_ons = read_entries(file)
        # The first file that names a model wins, and its models come first.
        models |= {name: model for name, model in more_models.items() if name not in models}
        add_ons = {**more_add_ons, **add_ons}
    return Catalogue(models, add_ons)
