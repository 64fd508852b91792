"""`brushwork models` and `brushwork kinds`: the gateway's where one is set, else those of this machine."""

from collections.abc import Sequence

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.kind_description import KindDescription, described_kinds
from brushwork_schemas.kinds import kind_named
from brushwork_schemas.settings import Settings
from rich.table import Table

from brushwork.cli.connection import connect
from brushwork.cli.job_commands import AsJson, KindName
from brushwork.cli.terminal import DATA, print_json


def models(kind: KindName = None, as_json: AsJson = False) -> None:
    """List the models of the catalogue; the first of a kind is its default."""
    known = _models(None if kind is None else kind_named(kind).name)
    if as_json:
        return print_json(known)
    table = Table("name", "kinds", "family", "licence", "defaults", box=None, header_style="bold")
    for model in known:
        defaults = ", ".join(f"{name}={value}" for name, value in model.defaults.items())
        table.add_row(model.name, " ".join(model.kinds), model.family, model.licence, defaults)
    DATA.print(table)


def kinds(as_json: AsJson = False) -> None:
    """List the kinds of jobs; as JSON with the schemas of request, options and result."""
    known = _kinds()
    if as_json:
        return print_json(known)
    table = Table("name", "default model", "parameters", box=None, header_style="bold")
    for kind in known:
        parameters = [name for name in kind.request.get("properties", {}) if name != "version"]
        table.add_row(kind.name, kind.default_model or "", " ".join(parameters))
    DATA.print(table)


def _models(kind: str | None) -> Sequence[Model]:
    settings = Settings.load()
    if settings.url is None:
        # Without servers too: what a file says needs none.
        return [model for model in Catalogue.load(settings.catalogue) if kind is None or kind in model.kinds]
    with connect() as client:
        return client.models(kind)


def _kinds() -> Sequence[KindDescription]:
    settings = Settings.load()
    if settings.url is None:
        return described_kinds(Catalogue.load(settings.catalogue))
    with connect() as client:
        return client.kinds()
