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
        named = listing.read(PIPELINE).get("_class_name")
        if isinstance(named, list):
            raise _own_code(PIPELINE, f"_class_name is {named}")
        return named if isinstance(named, str) else None
    content = listing.read(CONFIG)
    architectures = content.get("architectures")
    if isinstance(architectures, list) and architectures:
        return str(architectures[0])
    # A module of diffusers by itself, such as a ControlNet.
    own = content.get("_class_name")
    return own if isinstance(own, str) else None


def expect_family(listing: Listing, family: Family) -> None:
    """The configuration names a class of that family, which the library has.

    Raises:
        UnknownModelClass: It does not.
        RemoteCode: It names code of the model's own.
    """
    named = class_name(listing)
    file = PIPELINE if PIPELINE in listing.names else CONFIG
    # Old transformers wrote none; then the family of the entry has to be right.
    if named is None and file == CONFIG:
        return
    known = family_of(named or "")
    if known is None or not _has(family.library, str(named)):
        raise _unknown(file, str(named))
    if known.name != family.name:
        raise UnknownModelClass(
            f"{file} names {named}, a class of the family {known.name}, not of {family.name}.",
            field="family",
            hint=f'Write family = "{known.name}".',
        )


def expect_class(listing: Listing, wanted: str) -> None:
    """`config.json` names that class of diffusers, or one whose name begins with its last part.

    Raises:
        UnknownModelClass: It does not.
    """
    named = class_name(listing)
    if named is None or wanted not in named or not _has("diffusers", named):
        raise _unknown(CONFIG, str(named))


def components(listing: Listing) -> Iterator[tuple[str, str, str]]:
    """Folder, library and class of each component of a pipeline.

    Raises:
        RemoteCode: A component comes with code of its own.
        UnknownModelClass: The library has no such class.
    """
    for name, value in listing.read(PIPELINE).items():
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)):
            continue
        library, named = value
        if f"{library}.py" in listing.names or f"{name}/{library}.py" in listing.names:
            raise _own_code(PIPELINE, f"{name} is {library}.{named}, of a file that comes with it")
        if not _has(library, named):
            raise UnknownModelClass(
                f"{PIPELINE} names {library}.{named} as {name}, which is not there.",
                field="source",
                hint="Install a version of the library that has it.",
            )
        yield name, library, named


def refuse_own_code(listing: Listing, name: str) -> None:
    """That configuration asks for no code of the model's own.

    Raises:
        RemoteCode: It does.
    """
    for word in ("auto_map", "custom_pipelines"):
        if asked := listing.read(name).get(word):
            raise _own_code(name, f"{word} is {asked}")


def _has(library: str, named: str) -> bool:
    # A library's old names are not in its list, but answered for.
    if library in _LIBRARIES:
        return hasattr(import_module(library), named)
    # In model_index.json the library may be a room of diffusers' pipelines, such as stable_diffusion.
    pipelines = import_module("diffusers.pipelines")
    return library in dir(pipelines) and hasattr(getattr(pipelines, library), named)


def _own_code(file: str, what: str) -> RemoteCode:
    return RemoteCode(
        f"{file} asks for code of the model's own: {what}.",
        field="source",
        hint="Such code is never run. Look for a version of the model that a class of diffusers or "
        "transformers can load.",
    )


def _unknown(file: str, named: str) -> ModelUnavailable:
    offered = [name for family in all_families().values() for name in family.classes]
    return UnknownModelClass(
        f"{file} names the class {named}, which belongs to no family that can be served.",
        field="source",
        hint=f"Classes are {', '.join(offered)}.",
    )
