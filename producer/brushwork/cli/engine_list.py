"""`brushwork models engines`: what runs the modules of models whose catalogue entry names an engine."""

from typing import Annotated, Any

import typer
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from rich.table import Table

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.exit_status import ExitStatus
from brushwork.cli.service import service
from brushwork.cli.terminal import DATA, NEWS, print_json

_FAILED = ("unavailable", "failed")


def engines(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of models; by default all with an engine.")
    ] = None,
    export: Annotated[
        bool, typer.Option("--export", help="Export the models that have not been exported.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what runs the modules of models with an engine. Exit with status 3 if one cannot be used."""
    found = [_row(model, export=export) for model in _models(names)]
    if as_json:
        print_json(found)
    else:
        table = Table("name", "state", "", box=None, header_style="bold")
        for each in found:
            table.add_row(each["name"], each["state"], " ".join(filter(None, (each["about"], each["hint"]))))
        DATA.print(table)
    if any(each["state"] in _FAILED for each in found):
        raise typer.Exit(ExitStatus.MACHINE_ERROR)


def _models(names: list[str] | None) -> list[Model]:
    catalogue = Catalogue.load(Settings.load().catalogue)
    if not names:
        return [model for model in catalogue if model.engine != "torch"]
    found = []
    for name in dict.fromkeys(names):
        entry = catalogue.entry(name)
        if not isinstance(entry, Model) or entry.engine == "torch":
            raise InvalidRequest(
                said("The catalogue entry {name} names no engine.", name=name),
                field="names",
                hint="Add engine = 'onnxruntime' or engine = 'openvino' to the entry.",
            )
        found.append(entry)
    return found


def _row(model: Model, *, export: bool) -> dict[str, Any]:
    if export:
        NEWS.print(f"Exporting {model.name} for {model.engine}, unless that has been done ...")
    try:
        report = service("engines").report(model, export=export)
    # The process that exports may end for any reason; the message has it.
    except Exception as error:
        return {"name": model.name, "state": "failed", "about": str(error), "hint": ""}
    return {"name": model.name, "state": report.state, "about": report.about, "hint": report.hint}
