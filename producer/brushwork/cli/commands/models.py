"""`brushwork models`: which there are, and how their files get here."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import AddOn, Catalogue, Model, Source
from brushwork_schemas.errors import BrushworkError, InvalidRequest, ModelNotHere
from brushwork_schemas.validation import first_invalid
from pydantic import ValidationError
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from brushwork.cli.commands.catalogue import list_models
from brushwork.cli.commands.jobs import AsJson, KindName
from brushwork.cli.exit_status import ExitStatus
from brushwork.cli.service import service
from brushwork.cli.terminal import DATA, NEWS, print_json

models = typer.Typer(name="models", help="List the models of the catalogue; add, pull and check their files.")
models.command("list")(list_models)
Names = Annotated[list[str], typer.Argument(help="Models, LoRA adapters or ControlNets of the catalogue.")]


@models.callback(invoke_without_command=True)
def models_alone(context: typer.Context, kind: KindName = None, as_json: AsJson = False) -> None:
    """List the models of the catalogue; add, pull and check their files."""
    if context.invoked_subcommand is None:
        list_models(kind, as_json)


@models.command()
def pull(
    names: Names,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be fetched, and how large it is.")
    ] = False,
) -> None:
    """Fetch the files of models, pinned and checked; workers never do it by themselves."""
    entries = _entries(names)
    plan = _online().plan
    for entry in entries:
        found = plan(entry)
        _announce(entry, found)
        if dry_run:
            for name, size_bytes in found.files.items():
                DATA.print(f"{size_bytes:>15,}  {name}", soft_wrap=True)
            continue
        folder = _fetch(entry, found)
        NEWS.print(f"{entry.name} is here: {folder}", soft_wrap=True)
    if not dry_run:
        NEWS.print("Workers whose catalogue has them serve them from the next job on.")


@models.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="By default all that are here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check models' files as a worker does before it loads them; status 3 if one may not be loaded."""
    locate = service("models").locate
    found = [_finding(locate, entry, is_named=bool(names)) for entry in _entries(names)]
    if as_json:
        print_json(found)
    else:
        table = Table("name", "files", "", box=None, header_style="bold")
        for each in found:
            table.add_row(each["name"], Text(each["files"], "" if each["ok"] else "bold red"), each["about"])
        DATA.print(table)
    if not all(each["ok"] for each in found):
        raise typer.Exit(ExitStatus.MACHINE_ERROR)


@models.command()
def add(
    name: Annotated[str, typer.Argument(help="What jobs are to call it.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where its files are, as save_pretrained writes them.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option(help="Of the Hugging Face hub: owner/name.", show_default=False)
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="The commit, all 40 digits of it.", show_default=False)
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Of the weights' files, such as fp16.", show_default=False)
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Where its files don't tell, or for what it fits.", show_default=False)
    ] = None,
    sort: Annotated[Literal["model", "lora", "controlnet"], typer.Option("--type", help="What it is.")] = (
        "model"
    ),
) -> None:
    """Add a model of your own to your catalogue, if it can be loaded."""
    # Here, for only the extra `workers` brings what writes TOML.
    recognise = _online().recognise
    from brushwork.cli.catalogue_file import add_entry, own_file

    file = own_file(Settings.load())
    source = _source(folder, repository, revision, variant)
    found = recognise(name, source, sort=sort, family=family)
    table = "models" if sort == "model" else f"{sort}s"
    add_entry(file, table, name, found.table)
    Catalogue.load(file)
    NEWS.print(f"{name} is of the family {found.entry.family}, and in {file}.", soft_wrap=True)
    NEWS.print("Gateway and workers that run already read it when they are started anew.", soft_wrap=True)
    if repository is not None:
        NEWS.print(f"Its files follow with: brushwork models pull {name}", soft_wrap=True)


def _online() -> Any:
    # Workers switch the hub off where nobody has said anything; this must be said before they are imported.
    os.environ.setdefault("HF_HUB_OFFLINE", "0")
    return service("models")


def _entries(names: Sequence[str] | None) -> list[Model | AddOn]:
    catalogue = Catalogue.load(Settings.load().catalogue)
    if not names:
        return [*catalogue, *catalogue.add_ons]
    return [catalogue.entry(name) for name in dict.fromkeys(names)]


def _announce(entry: Model | AddOn, found: Any) -> None:
    source = entry.source
    where = f"{source.repository} at {source.revision}" if source.repository else source.weights
    state = ", all here already; they are checked" if found.is_done else ""
    size = f"{len(found.files)} files, {_size(found.size_bytes)}{state}"
    NEWS.print(Text.assemble((entry.name, "bold"), f": {where}; {size}."), soft_wrap=True)
    terms = (
        entry.licence if entry.licence != "unknown" else found.licence or "unknown: look before you use it"
    )
    link = entry.licence_url if isinstance(entry, Model) and entry.licence_url else None
    page = link or (f"https://huggingface.co/{source.repository}" if source.repository else None)
    NEWS.print(f"  licence: {terms}{f', see {page}' if page else ''}", soft_wrap=True)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def _fetch(entry: Model | AddOn, found: Any) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=NEWS, transient=True) as progress:
        bar = progress.add_task(entry.name, total=found.size_bytes)
        folder: Path = found.run(lambda more: progress.advance(bar, more))
    return folder


def _finding(locate: Any, entry: Model | AddOn, *, is_named: bool) -> dict[str, Any]:
    finding: dict[str, Any] = {"name": entry.name, "ok": True, "files": "whole", "about": ""}
    try:
        folder = locate(entry)
        finding |= {"about": str(folder)} if folder.is_dir() else {"files": "built here"}
    except ModelNotHere as error:
        finding |= {"ok": not is_named, "files": "not here", "about": error.hint or error.message}
    except BrushworkError as error:
        finding |= {"ok": False, "files": error.code, "about": str(error)}
    return finding


def _source(folder: Path | None, repository: str | None, revision: str | None, variant: str | None) -> Source:
    if (folder is None) == (repository is None):
        raise InvalidRequest("Say either --folder or --repository.", field="folder")
    place = {"folder": folder.absolute()} if folder else {"repository": repository, "revision": revision}
    try:
        return Source.model_validate({**place, "variant": variant})
    except ValidationError as error:
        wrong = first_invalid(error)
        raise InvalidRequest(f"{wrong.reason}.", field=wrong.name or "revision") from error
