"""`brushwork models add`: make a catalogue entry for a folder, a file or a repository."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from brushwork_core.files.model_folders import Entry
from brushwork_schemas.catalogue import AddOn, Catalogue, Model, Source
from brushwork_schemas.errors import InvalidRequest, ModelFileMissing, ModelNotHere, UnknownModelClass
from brushwork_schemas.families.registry import all_families, family_of
from brushwork_schemas.wording.phrase import private, said
from brushwork_schemas.wording.validation import first_invalid
from pydantic import ValidationError

from brushwork_workers.models.checkpoints.contents import CheckpointContents
from brushwork_workers.models.checkpoints.refusals import (
    check_is_checkpoint,
    check_path,
    file_in_place_of_a_folder,
    needs_a_base,
    not_an_adapter,
)
from brushwork_workers.models.checkpoints.token_names import named_token
from brushwork_workers.models.class_names import CONFIG, PIPELINE, class_name, refuse_remote_code
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.listing import FileListing, FolderListing, Listing
from brushwork_workers.models.location import locate
from brushwork_workers.models.repositories import remote_repository
from brushwork_workers.models.safetensors_head import keys_of
from brushwork_workers.models.weights import adapter_file

EntryType = Literal["model", "lora", "controlnet", "ip-adapter", "textual-inversion"]
# Add-ons, and the request field that a family accepts if its models can use them.
_ACCEPTED_AS = {"lora": "loras", "ip-adapter": "ip_adapters", "textual-inversion": "prompt_weighting"}


@dataclass(frozen=True)
class Recognised:
    """A catalogue entry of a model that can be loaded.

    Args:
        entry: The entry.
        table: The TOML table of the entry: all fields that differ from the defaults.
    """

    entry: Entry
    table: dict[str, Any]


def recognise(
    name: str,
    source: Source,
    *,
    entry_type: EntryType = "model",
    family: str | None = None,
    vae: str | None = None,
    catalogue: Catalogue | None = None,
    more: Mapping[str, str] | None = None,
) -> Recognised:
    """Make a catalogue entry for the files of a source. Of a repository, only configurations are downloaded.

    Args:
        name: The name of the new entry.
        source: A folder, a file or a repository.
        entry_type: The type of the entry.
        family: The family, if the files do not tell it.
        vae: The VAE to use instead of that of the files.
        catalogue: The catalogue, which has the base of a single file and the VAE if they are named.
        more: Further fields of the entry: `weight_name`, `image_encoder`, `token`.

    Raises:
        InvalidRequest: The name, the family, the base or the VAE is invalid.
        ModelUnavailable: The model could not be loaded; the message says why.
        ServiceUnreachable: The hub cannot be reached.
    """
    fields: dict[str, Any] = {**(more or {}), **({} if vae is None else {"vae": vae})}
    if source.file is not None:
        found = _of_file(name, source, source.file, entry_type, family, fields, catalogue)
    elif source.folder is not None:
        if source.folder.is_file():
            raise file_in_place_of_a_folder(source.folder)
        if not source.folder.is_dir():
            raise ModelNotHere(
                said("folder: {folder} does not exist.", folder=private(source.folder, "the folder")),
                field="folder",
                hint="Correct the path of the folder.",
            )
        found = _entry(name, source, FolderListing(source.folder), entry_type, family, fields)
    else:
        return _of_repository(name, source, entry_type, family, fields)
    entry = found.entry
    if isinstance(entry, Model) and catalogue is not None:
        entry = catalogue.with_named_parts(entry)
    folder = locate(entry)
    return _with_token(Recognised(entry, found.table), folder)


def _of_repository(
    name: str, source: Source, entry_type: EntryType, family: str | None, fields: dict[str, Any]
) -> Recognised:
    with tempfile.TemporaryDirectory() as scratch:
        repository = remote_repository(source, Path(scratch))
        found = _entry(name, source, repository, entry_type, family, fields)
        files_to_load(found.entry, repository)
        known: dict[str, Any] = {"licence": repository.licence} if repository.licence else {}
        if isinstance(found.entry, Model) and repository.is_gated:
            known["gated"] = True
        return _build(name, entry_type, found.table | known)


def _of_file(
    name: str,
    source: Source,
    file: Path,
    entry_type: EntryType,
    family: str | None,
    fields: dict[str, Any],
    catalogue: Catalogue | None,
) -> Recognised:
    check_path(file, "file")
    contents = CheckpointContents.of(file)
    if entry_type == "lora" and not contents.is_adapter:
        raise not_an_adapter(contents)
    if entry_type in ("lora", "textual-inversion"):
        return _entry(name, source, FileListing(file), entry_type, family, fields)
    if entry_type != "model":
        raise InvalidRequest(
            said("file: a {entry_type} is a folder.", entry_type=entry_type),
            field="file",
            hint="Pass --folder with a folder that save_pretrained of diffusers wrote.",
        )
    check_is_checkpoint(contents)
    if source.base is None or catalogue is None:
        raise needs_a_base(contents)
    base = catalogue.entry(source.base)
    if not isinstance(base, Model):
        raise InvalidRequest(
            said("base: {base} is not a model.", base=source.base), field="base", hint="Name a model as base."
        )
    table = {"family": base.family, "source": _dumped(source), **_fields_of(base), **fields}
    return _build(name, entry_type, table)


def _fields_of(base: Model) -> dict[str, Any]:
    """Return the fields of the base that a checkpoint made from it needs, too, such as its defaults."""
    plain = Model(name=base.name, family=base.family, source=Source(packaged="plain"))
    own = ("name", "family", "source", "licence", "licence_url", "gated", "memory_bytes")
    return {
        field: value
        for field, value in base.model_dump(mode="json", exclude=set(own), exclude_none=True).items()
        if getattr(base, field) != getattr(plain, field)
    }


def _dumped(source: Source) -> dict[str, Any]:
    return source.model_dump(mode="json", exclude_defaults=True)


def _entry(
    name: str,
    source: Source,
    listing: Listing,
    entry_type: EntryType,
    family: str | None,
    fields: dict[str, Any],
) -> Recognised:
    family_name = family or _family(listing, entry_type)
    table: dict[str, Any] = {"family": family_name, "source": _dumped(source), **fields}
    known = all_families().get(family_name)
    if entry_type == "model" and known is not None and known.is_described:
        table["pipeline"] = described(listing)
    return _build(name, entry_type, table)


def _with_token(found: Recognised, folder: Path) -> Recognised:
    """Write the token of a textual inversion into its entry, if its file names one."""
    entry = found.entry
    if not isinstance(entry, AddOn) or entry.type != "textual-inversion" or entry.token is not None:
        return found
    file = entry.source.file or folder / adapter_file(FolderListing(folder), entry.weight_name)
    token = named_token(keys_of(file))
    return found if token is None else _build(entry.name, entry.type, {**found.table, "token": token})


def described(listing: Listing) -> dict[str, Any]:
    """Return the description of the pipeline in a listing, as a table of a catalogue entry.

    Raises:
        UnknownModelClass: The pipeline cannot be served; the message says why.
    """
    # Imported here, because it loads diffusers.
    from brushwork_workers.models.description.pipeline_description import describe

    return describe(listing).model_dump(mode="json", exclude_defaults=True)


def _build(name: str, entry_type: EntryType, table: dict[str, Any]) -> Recognised:
    try:
        if entry_type == "model":
            return Recognised(Model.model_validate({"name": name, **table}), table)
        if table["family"] not in all_families():
            raise InvalidRequest(
                said("family: {table!r} is unknown.", table=table["family"]),
                field="family",
                hint=said("Families: {names}.", names=_names()),
            )
        return Recognised(AddOn.model_validate({"name": name, "type": entry_type, **table}), table)
    except ValidationError as error:
        wrong = first_invalid(error)
        field = wrong.name.partition(".")[0] or "name"
        raise InvalidRequest(
            said("{name}: {reason}.", name=name, reason=wrong.reason), field=field
        ) from error


def _family(listing: Listing, entry_type: EntryType) -> str:
    if entry_type != "model":
        raise InvalidRequest(
            said("The files of a {entry_type} do not tell which models it fits.", entry_type=entry_type),
            field="family",
            hint=said(
                "Pass --family with one of: {names}.",
                names=_names(_ACCEPTED_AS.get(entry_type, entry_type)),
            ),
        )
    if not {PIPELINE, CONFIG} & listing.names:
        raise ModelFileMissing(
            said("The source contains neither {pipeline} nor {config}.", pipeline=PIPELINE, config=CONFIG),
            field="source",
            hint="Name a folder that contains one of them, as written by save_pretrained of diffusers or "
            "transformers.",
        )
    if PIPELINE not in listing.names:
        refuse_remote_code(listing, CONFIG)
    found_class = class_name(listing)
    found = family_of(found_class) if found_class else None
    if found is None:
        raise UnknownModelClass(
            said(
                "The configuration names the class {found_class}, which belongs to no family "
                "that can be served.",
                found_class=found_class,
            )
            if found_class
            else "The configuration names no class.",
            field="family",
            hint=said("If the model fits a family, pass --family with one of: {names}.", names=_names()),
        )
    return found.name


def _names(taken: str | None = None) -> str:
    """Return the names of all families, or of those whose requests accept the field `taken`."""
    return ", ".join(
        name for name, family in all_families().items() if taken is None or taken in family.accepts
    )
