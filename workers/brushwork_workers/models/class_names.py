"""What a model's configuration says it is: a class that library and family know, or a refusal."""

from collections.abc import Iterator
from importlib import import_module

from brushwork_schemas.errors import ModelUnavailable, RemoteCode, UnknownModelClass
from brushwork_schemas.families.family import Family
from brushwork_schemas.families.registry import all_families, family_of

from brushwork_workers.models.listing import Listing

PIPELINE, CONFIG = "model_index.json", "config.json"
_LIBRARIES = ("diffusers", "transformers")


def class_name(listing: Listing) -> str | None:
    """The class that the top folder's configuration names; None where it names none.

    Raises:
        RemoteCode: It is a class of the model's own.
    """
    if PIPELINE in listing.names:
        found_class = listing.read(PIPELINE).get("_class_name")
        if isinstance(found_class, list):
            raise _remote_code(PIPELINE, f"_class_name is {found_class}")
        return found_class if isinstance(found_class, str) else None
    content = listing.read(CONFIG)
    architectures = content.get("architectures")
    if isinstance(architectures, list) and architectures:
        return str(architectures[0])
    # A module of diffusers by itself, such as a ControlNet.
    own = content.get("_class_name")
    return own if isinstance(own, str) else None


def check_family(listing: Listing, family: Family) -> None:
    """The configuration names a class of that family, which the library has.

    Raises:
        UnknownModelClass: It does not.
        RemoteCode: It names code of the model's own.
    """
    found_class = class_name(listing)
    file = PIPELINE if PIPELINE in listing.names else CONFIG
    # Old transformers wrote none; then the family of the entry has to be right.
    if found_class is None and file == CONFIG:
        return
    known_family = family_of(found_class or "")
    if known_family is None or not _has_class(family.library, str(found_class)):
        raise _unknown_class(file, str(found_class))
    if known_family.name != family.name:
        raise UnknownModelClass(
            f"{file} names {found_class}, a class of the family {known_family.name}, not of {family.name}.",
            field="family",
            hint=f'Write family = "{known_family.name}".',
        )


def check_class(listing: Listing, expected: str) -> None:
    """`config.json` names that class of diffusers, or one whose name begins with its last part.

    Raises:
        UnknownModelClass: It does not.
    """
    found_class = class_name(listing)
    if found_class is None or expected not in found_class or not _has_class("diffusers", found_class):
        raise _unknown_class(CONFIG, str(found_class))


def components(listing: Listing) -> Iterator[tuple[str, str, str]]:
    """Folder, library and class of each component of a pipeline.

    Raises:
        RemoteCode: A component comes with code of its own.
        UnknownModelClass: The library has no such class.
    """
    for name, value in listing.read(PIPELINE).items():
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)):
            continue
        library, found_class = value
        if f"{library}.py" in listing.names or f"{name}/{library}.py" in listing.names:
            raise _remote_code(PIPELINE, f"{name} is {library}.{found_class}, of a file that comes with it")
        if not _has_class(library, found_class):
            raise UnknownModelClass(
                f"{PIPELINE} names {library}.{found_class} as {name}, which is not there.",
                field="source",
                hint="Install a version of the library that has it.",
            )
        yield name, library, found_class


def refuse_remote_code(listing: Listing, name: str) -> None:
    """That configuration asks for no code of the model's own.

    Raises:
        RemoteCode: It does.
    """
    for word in ("auto_map", "custom_pipelines"):
        if asked := listing.read(name).get(word):
            raise _remote_code(name, f"{word} is {asked}")


def _has_class(library: str, found_class: str) -> bool:
    # A library's old names are not in its list, but answered for.
    if library in _LIBRARIES:
        return hasattr(import_module(library), found_class)
    # In model_index.json the library may be a room of diffusers' pipelines, such as stable_diffusion.
    pipelines = import_module("diffusers.pipelines")
    return library in dir(pipelines) and hasattr(getattr(pipelines, library), found_class)


def _remote_code(file: str, what: str) -> RemoteCode:
    return RemoteCode(
        f"{file} asks for code of the model's own: {what}.",
        field="source",
        hint="Such code is never run. Look for a version of the model that a class of diffusers or "
        "transformers can load.",
    )


def _unknown_class(file: str, found_class: str) -> ModelUnavailable:
    class_names = [name for family in all_families().values() for name in family.classes]
    return UnknownModelClass(
        f"{file} names the class {found_class}, which belongs to no family that can be served.",
        field="source",
        hint=f"Classes are {', '.join(class_names)}.",
    )
