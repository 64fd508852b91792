"""`brushwork models add`: make a catalogue entry for a folder or a repository."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from brushwork_core.files.model_folders import Entry
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import InvalidRequest, ModelFileMissing, ModelNotHere, UnknownModelClass
from brushwork_schemas.families.registry import all_families, family_of
from brushwork_schemas.wording.phrase import private, said
from brushwork_schemas.wording.validation import first_invalid
from pydantic import ValidationError

from brushwork_workers.models.class_names import CONFIG, PIPELINE, class_name, refuse_remote_code
from brushwork_workers.models.hub import HubRepository
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.listing import FolderListing, Listing
from brushwork_workers.models.location import locate
from brushwork_workers.models.single_file import single_file

EntryType = Literal["model", "lora", "controlnet"]


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
    name: str, source: Source, *, entry_type: EntryType = "model", family: str | None = None
) -> Recognised:
    """Make a catalogue entry for the files of a source. Of a repository, only configurations are downloaded.

    Args:
        name: The name of the new entry.
        source: A folder or a repository.
        entry_type: The type of the entry.
        family: The family, if the files do not tell it.

    Raises:
        InvalidRequest: The name or the family is invalid.
        ModelUnavailable: The model could not be loaded; the message says why.
        ServiceUnreachable: The hub cannot be reached.
    """
    if source.folder is not None:
        if source.folder.is_file():
            raise single_file(source.folder)
        if not source.folder.is_dir():
            raise ModelNotHere(
                said("folder: {folder} does not exist.", folder=private(source.folder, "the folder")),
                field="folder",
                hint="Correct the path of the folder.",
            )
        listing: Listing = FolderListing(source.folder)
        found = _entry(name, source, listing, entry_type, family)
        locate(found.entry)
        return found
    with tempfile.TemporaryDirectory() as scratch:
        repository = HubRepository(str(source.repository), str(source.revision), Path(scratch))
        found = _entry(name, source, repository, entry_type, family)
        files_to_load(found.entry, repository)
        more: dict[str, Any] = {"licence": repository.licence} if repository.licence else {}
        if isinstance(found.entry, Model) and repository.is_gated:
            more["gated"] = True
        return _build(name, entry_type, found.table | more)


def _entry(
    name: str, source: Source, listing: Listing, entry_type: EntryType, family: str | None
) -> Recognised:
    family_name = family or _family(listing, entry_type)
    table = {"family": family_name, "source": source.model_dump(mode="json", exclude_defaults=True)}
    known = all_families().get(family_name)
    if entry_type == "model" and known is not None and known.is_described:
        table["pipeline"] = described(listing)
    return _build(name, entry_type, table)


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
                names=_names("loras" if entry_type == "lora" else entry_type),
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
