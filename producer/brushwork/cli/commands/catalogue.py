"""`brushwork models list` and `brushwork kinds`, of the gateway in `BRUSHWORK_URL` or of this machine."""

from collections.abc import Sequence

from brushwork_core.files.model_folders import is_here, pulled_place
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import AddOn, Catalogue, Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription, described_kinds
from brushwork_schemas.kinds.registry import kind_named
from rich.table import Table

from brushwork.cli.commands.jobs import AsJson, KindName
from brushwork.cli.connection import connect
from brushwork.cli.terminal import DATA, print_json
from brushwork.typed.arguments import UntypedKind


def list_models(kind: KindName = None, as_json: AsJson = False) -> None:
    """List the models of the catalogue. The first model of a kind is its default."""
    settings = Settings.load()
    kind_name = None if kind is None else kind_named(kind).name
    known = _models(settings, kind_name)
    if as_json:
        return print_json(known)
    is_local = settings.url is None
    DATA.print(_models_table(known, is_local=is_local))
    add_ons = Catalogue.load(settings.catalogue).add_ons if is_local and kind_name is None else ()
    if add_ons:
        DATA.print()
        DATA.print(_add_ons_table(add_ons))


def kinds(as_json: AsJson = False) -> None:
    """List the kinds of jobs. With --json, print the schemas of request, options and result."""
    known = _kinds()
    if as_json:
        return print_json(known)
    table = Table("name", "default model", "parameters", box=None, header_style="bold")
    for kind in known:
        parameters = [name for name in kind.request.get("properties", {}) if name != "version"]
        table.add_row(kind.name, kind.default_model or "", " ".join(parameters))
    DATA.print(table)


def _models_table(known: Sequence[Model], *, is_local: bool) -> Table:
    # Most catalogues have no model with an engine.
    has_engines = any(model.engine != "torch" for model in known)
    optional = (*(("files",) if is_local else ()), *(("engine",) if has_engines else ()))
    table = Table("name", "kinds", "family", "licence", *optional, "defaults", box=None, header_style="bold")
    for model in known:
        defaults = ", ".join(f"{name}={value}" for name, value in model.defaults.items())
        files = (_files(model),) if is_local else ()
        engine = (_engine(model),) if has_engines else ()
        table.add_row(
            model.name, " ".join(model.kinds), model.family, model.licence, *files, *engine, defaults
        )
    return table


def _add_ons_table(known: Sequence[AddOn]) -> Table:
    table = Table("add-on", "type", "family", "licence", "files", box=None, header_style="bold")
    for add_on in known:
        table.add_row(add_on.name, add_on.type, add_on.family, add_on.licence, _files(add_on))
    return table


def _engine(model: Model) -> str:
    return model.engine if model.engine_precision == "float32" else f"{model.engine} {model.engine_precision}"


def _files(entry: Model | AddOn) -> str:
    """Return whether the files are on this machine, and if not, whether they can be pulled."""
    if is_here(entry.source):
        return "here"
    return "to pull" if pulled_place(entry.source) is not None else "missing"


def _models(settings: Settings, kind: str | None) -> Sequence[Model]:
    if settings.url is None:
        # The catalogue is a file, so that no server needs to run.
        return [model for model in Catalogue.load(settings.catalogue) if kind is None or kind in model.kinds]
    with connect() as client:
        return client.models(UntypedKind(kind) if kind else None)


def _kinds() -> Sequence[KindDescription]:
    settings = Settings.load()
    if settings.url is None:
        return described_kinds(Catalogue.load(settings.catalogue))
    with connect() as client:
        return client.kinds()
