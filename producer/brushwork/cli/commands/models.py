"""`brushwork models`: the models of the catalogue and their files."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import AddOn, Catalogue, Model, Source
from brushwork_schemas.catalogue.named_parts import is_path
from brushwork_schemas.errors import BrushworkError, InvalidRequest, ModelNotHere
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid
from pydantic import ValidationError
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from brushwork.cli.commands.catalogue import list_models
from brushwork.cli.commands.jobs import AsJson, KindName
from brushwork.cli.engine_list import engines
from brushwork.cli.exit_status import ExitStatus
from brushwork.cli.service import service
from brushwork.cli.terminal import DATA, NEWS, print_json

models = typer.Typer(name="models", help="List and add models, and pull and check their files.")
models.command("list")(list_models)
models.command("engines")(engines)
Names = Annotated[
    list[str], typer.Argument(help="Names of models, LoRA adapters or other add-ons in the catalogue.")
]


@models.callback(invoke_without_command=True)
def models_alone(context: typer.Context, kind: KindName = None, as_json: AsJson = False) -> None:
    """List and add models, and pull and check their files."""
    if context.invoked_subcommand is None:
        list_models(kind, as_json)


@models.command()
def pull(
    names: Names,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the files to download and their sizes.")
    ] = False,
) -> None:
    """Download the pinned files of models and check them. Workers never download files themselves."""
    entries = _entries(names)
    plan = _online().plan
    for entry in entries:
        found = plan(entry)
        _announce(entry, found)
        if dry_run:
            for name, size_bytes in found.files.items():
                DATA.print(f"{size_bytes:>15,}  {name}", soft_wrap=True)
            continue
        table = None if found.pipeline is None else _described(entry, found.pipeline)
        folder = _fetch(entry, found)
        NEWS.print(f"{entry.name} is in {folder}", soft_wrap=True)
        if table is not None:
            _write_description(entry.name, table)
    if not dry_run:
        NEWS.print("Workers with these models in their catalogue serve them from the next job on.")


@models.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Names in the catalogue; by default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the files of models as a worker does. Exit with status 3 if a check fails."""
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
    name: Annotated[str, typer.Argument(help="Name that requests use.")],
    folder: Annotated[
        Path | None, typer.Option(help="Folder with the files, as save_pretrained writes them.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A single .safetensors file: a checkpoint, with --base, or a LoRA adapter."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Model that provides what a checkpoint lacks, such as its tokenizers."),
    ] = None,
    vae: Annotated[
        str | None,
        typer.Option(help="VAE to use instead: a folder, a .safetensors file, or the name of a model."),
    ] = None,
    repository: Annotated[
        str | None, typer.Option(help="Repository on the Hugging Face hub: owner/name.", show_default=False)
    ] = None,
    modelscope: Annotated[
        str | None, typer.Option(help="Repository on ModelScope: owner/name.", show_default=False)
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit of the repository, with all 40 digits.", show_default=False)
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of the weight files, such as fp16.", show_default=False)
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            help="Family, if the files do not tell it; for an adapter the family it fits.", show_default=False
        ),
    ] = None,
    sort: Annotated[
        Literal["model", "lora", "controlnet", "ip-adapter", "textual-inversion"],
        typer.Option("--type", help="Type of the entry."),
    ] = ("model"),
    weight_name: Annotated[
        str | None,
        typer.Option(help="File of an adapter, if the source has several.", show_default=False),
    ] = None,
    image_encoder: Annotated[
        str | None,
        typer.Option(help="Folder of the image encoder of an IP-Adapter in the source.", show_default=False),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="Word of a prompt that stands for a textual inversion, if its file names none.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Add a model of your own to your catalogue, if brushwork can load it."""
    # Imported here, because only the extra `workers` installs the TOML writer.
    recognise = _online().recognise
    from brushwork.cli.catalogue_file import add_entry, own_file

    settings = Settings.load()
    own = own_file(settings)
    places = {"folder": folder, "file": file, "repository": repository, "modelscope": modelscope}
    source = _source(places, {"base": base, "revision": revision, "variant": variant})
    given = {"weight_name": weight_name, "image_encoder": image_encoder, "token": token}
    found = recognise(
        name,
        source,
        entry_type=sort,
        family=family,
        vae=_vae(vae),
        more={field: value for field, value in given.items() if value is not None},
        # The first entry of a user's own file creates the file.
        catalogue=Catalogue.load(own if own.exists() else None),
    )
    add_entry(own, f"{sort.replace('-', '_')}s", name, found.table)
    Catalogue.load(own)
    NEWS.print(f"Added {name} of the family {found.entry.family} to {own}.", soft_wrap=True)
    NEWS.print("Restart running gateways and workers, so that they read the catalogue again.", soft_wrap=True)
    if repository is not None or modelscope is not None:
        NEWS.print(f"Download its files with: brushwork models pull {name}", soft_wrap=True)


def _online() -> Any:
    # The worker package sets HF_HUB_OFFLINE=1 unless it is set, so it must be set before the import.
    os.environ.setdefault("HF_HUB_OFFLINE", "0")
    return service("models")


def _entries(names: Sequence[str] | None) -> list[Model | AddOn]:
    catalogue = Catalogue.load(Settings.load().catalogue)
    if not names:
        return [*catalogue, *catalogue.add_ons]
    return [catalogue.entry(name) for name in dict.fromkeys(names)]


def _announce(entry: Model | AddOn, found: Any) -> None:
    source = entry.source
    repository = source.repository_name
    where = f"{repository} at {source.revision}" if repository else source.weights
    state = ", all on this machine; only the check is left" if found.is_done else ""
    size = f"{len(found.files)} files, {_size(found.size_bytes)}{state}"
    NEWS.print(Text.assemble((entry.name, "bold"), f": {where}; {size}."), soft_wrap=True)
    terms = entry.licence if entry.licence != "unknown" else found.licence or "unknown, check it before use"
    link = entry.licence_url if isinstance(entry, Model) and entry.licence_url else None
    page = link or found.page
    NEWS.print(f"  licence: {terms}{f', see {page}' if page else ''}", soft_wrap=True)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def _fetch(entry: Model | AddOn, found: Any) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=NEWS, transient=True) as progress:
        bar = progress.add_task(entry.name, total=found.size_bytes)
        folder: Path = found.run(lambda more: progress.advance(bar, more))
    return folder


def _described(entry: Model | AddOn, pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry with the description of its pipeline.

    Raises:
        InvalidRequest: The entry has settings that the pipeline lacks.
    """
    given = entry.model_dump(mode="json", exclude_unset=True, exclude={"name"})
    table = {**{name: value for name, value in given.items() if value}, "pipeline": dict(pipeline)}
    try:
        Model.model_validate({"name": entry.name, **table})
    except ValidationError as error:
        wrong = first_invalid(error)
        raise InvalidRequest(
            said("{name}: {reason}.", name=entry.name, reason=wrong.reason), field=wrong.name or "pipeline"
        ) from error
    return table


def _write_description(name: str, table: Mapping[str, Any]) -> None:
    # Imported here, because only the extra `workers` installs the TOML writer.
    from brushwork.cli.catalogue_file import add_description, own_file

    own = own_file(Settings.load())
    add_description(own, name, table)
    kinds = ", ".join(table["pipeline"]["parameters"])
    NEWS.print(f"{name} serves {kinds}, as the description in {own} says.", soft_wrap=True)
    NEWS.print("Restart running gateways and workers, so that they read the catalogue again.", soft_wrap=True)


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


def _source(places: Mapping[str, Path | str | None], more: Mapping[str, str | None]) -> Source:
    given = {
        name: place.absolute() if isinstance(place, Path) else place
        for name, place in places.items()
        if place is not None
    }
    if len(given) != 1:
        raise InvalidRequest(
            "folder: pass one of --folder, --file, --repository and --modelscope.",
            field="folder",
            hint="--folder PATH, --file PATH --base NAME, --repository OWNER/NAME --revision COMMIT, or "
            "--modelscope OWNER/NAME --revision COMMIT.",
        )
    try:
        return Source.model_validate({**given, **more})
    except ValidationError as error:
        wrong = first_invalid(error)
        raise InvalidRequest(
            said("{reason}.", reason=wrong.reason), field=wrong.name or "revision"
        ) from error


def _vae(vae: str | None) -> str | None:
    """Return an absolute path for a path, and a name as it is."""
    if vae is None:
        return None
    return str(Path(vae).absolute()) if is_path(vae) or Path(vae).exists() else vae
