"""`brushwork models add`: from a folder or a repository to a catalogue entry, or the reason why not."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from brushwork_core.files.model_folders import Entry
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import InvalidRequest, ModelFileMissing, ModelNotHere, UnknownModelClass
from brushwork_schemas.families.registry import all_families, family_of
from brushwork_schemas.validation import first_invalid
from pydantic import ValidationError

from brushwork_workers.models.class_names import CONFIG, PIPELINE, class_name, refuse_remote_code
from brushwork_workers.models.hub import HubRepository
from brushwork_workers.models.layout import files_to_load
from brushwork_workers.models.listing import FolderListing, Listing
from brushwork_workers.models.location import locate

EntryType = Literal["model", "lora", "controlnet"]


@dataclass(frozen=True)
class Recognised:
    """An entry that could be loaded.

    Args:
        entry: As it is in the catalogue then.
        table: What to write there: all that differs from the defaults.
    """

    entry: Entry
    table: dict[str, Any]


def recognise(
    name: str, source: Source, *, entry_type: EntryType = "model", family: str | None = None
) -> Recognised:
    """Find out what the files of a source are; of a repository, only configurations are fetched.

    Args:
        name: What it is to be called.
        source: A folder or a repository.
        sort: What it is.
        family: Where its files don't tell.

    Raises:
        InvalidRequest: The name, or what was said of it, is wrong.
        ModelUnavailable: It could not be loaded; the message says why.
        ServiceUnreachable: The hub does not answer.
    """
    if source.folder is not None:
        if not source.folder.is_dir():
            raise ModelNotHere(f"There is no folder {source.folder}.", field="folder")
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
    return _build(name, entry_type, table)


def _build(name: str, entry_type: EntryType, table: dict[str, Any]) -> Recognised:
    try:
        if entry_type == "model":
            return Recognised(Model.model_validate({"name": name, **table}), table)
        if table["family"] not in all_families():
            raise InvalidRequest(
                f"There is no family {table['family']!r}.", field="family", hint=f"Families are {_names()}."
            )
        return Recognised(AddOn.model_validate({"name": name, "type": entry_type, **table}), table)
    except ValidationError as error:
        wrong = first_invalid(error)
        field = wrong.name.partition(".")[0] or "name"
        raise InvalidRequest(f"{name}: {wrong.reason}.", field=field) from error


def _family(listing: Listing, entry_type: EntryType) -> str:
    if entry_type != "model":
        raise InvalidRequest(
            f"A {entry_type} does not say which models it fits.",
            field="family",
            hint=f"Say --family; families are {_names(f'{entry_type}s' if entry_type == 'lora' else entry_type)}.",
        )
    if not {PIPELINE, CONFIG} & listing.names:
        raise ModelFileMissing(
            f"Neither {PIPELINE} nor {CONFIG} is there.",
            field="source",
            hint="Name the folder that holds one of them, as save_pretrained of diffusers or transformers "
            "writes it.",
        )
    if PIPELINE not in listing.names:
        refuse_remote_code(listing, CONFIG)
    found_class = class_name(listing)
    found = family_of(found_class) if found_class else None
    if found is None:
        raise UnknownModelClass(
            f"Its configuration names {found_class}, a class of no family that can be served."
            if found_class
            else "Its configuration names no class.",
            field="family",
            hint=f"If it is of one nevertheless, say --family; families are {_names()}.",
        )
    return found.name


def _names(taken: str | None = None) -> str:
    """Of all families, or of those whose requests take `taken`."""
    return ", ".join(
        name for name, family in all_families().items() if taken is None or taken in family.accepts
    )
