"""Checks of the classes that the configuration of a model names."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from brushwork_schemas.errors import ModelUnavailable, RemoteCode, UnknownModelClass
from brushwork_schemas.families.family import Family
from brushwork_schemas.families.registry import all_families, family_of
from brushwork_schemas.wording.phrase import said

from brushwork_workers.models.listing import Listing

PIPELINE, CONFIG = "model_index.json", "config.json"
_LIBRARIES = ("diffusers", "transformers")
TIMM = "TimmWrapperForImageClassification"
# Arguments of `timm.create_model` that change the network. Others, such as `checkpoint_path`, read files.
_TIMM_ARGUMENTS_OF_FILES = frozenset(
    ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")
)


def class_name(listing: Listing) -> str | None:
    """Return the class that the configuration in the top folder names; None if it names no class.

    Raises:
        RemoteCode: The class comes with the model.
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
    # timm's own configuration, as on the hub, names no class of transformers.
    if is_timm(content):
        return TIMM
    # A single module of diffusers, such as a ControlNet.
    own = content.get("_class_name")
    return own if isinstance(own, str) else None


def is_timm(config: Mapping[str, Any]) -> bool:
    """Return whether `config.json` is of a classifier of timm, in the layout of timm or of transformers."""
    return "pretrained_cfg" in config and config.get("architectures") in (None, [], [TIMM])


def check_timm(config: Mapping[str, Any]) -> None:
    """Check that the configuration of a timm classifier makes timm read no file and no other repository.

    Raises:
        ModelUnavailable: The architecture is an address, or an argument of the network names a file.
    """
    architecture, arguments = config.get("architecture"), config.get("model_args") or {}
    is_name = isinstance(architecture, str) and re.fullmatch(r"[A-Za-z0-9_.]+", architecture)
    if not is_name:
        raise ModelUnavailable(
            said(
                "{config}: architecture {architecture} is not the name of an architecture of timm.",
                config=CONFIG,
                architecture=ascii(architecture)[:100],
            ),
            field="source",
            hint="timm.list_models() lists the names.",
        )
    if 0 in (config.get("num_classes"), _mapping(config.get("pretrained_cfg")).get("num_classes")):
        raise ModelUnavailable(
            said("{config}: the network has no classes (num_classes is 0).", config=CONFIG),
            field="source",
            hint="Use a version of the model with a classifier.",
        )
    names = _TIMM_ARGUMENTS_OF_FILES & set(arguments) if isinstance(arguments, Mapping) else {"model_args"}
    if names:
        raise ModelUnavailable(
            said(
                "{config}: model_args sets {names}, which would read another file.",
                config=CONFIG,
                names=sorted(names),
            ),
            field="source",
            hint="Remove it. The weights are in model.safetensors.",
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def check_family(listing: Listing, family: Family) -> None:
    """Check that the configuration names a class of a family, and that the library has this class.

    Raises:
        UnknownModelClass: The class belongs to another family or to none, or the library does not have it.
        RemoteCode: The configuration names code that comes with the model.
    """
    found_class = class_name(listing)
    file = PIPELINE if PIPELINE in listing.names else CONFIG
    # Old versions of transformers wrote no class. The family of the entry is then taken as correct.
    if found_class is None and file == CONFIG:
        return
    known_family = family_of(found_class or "")
    if known_family is None or not _has_class(family.library, str(found_class)):
        raise _unknown_class(file, str(found_class))
    # A described model of any pipeline class: the generic family serves the classes of the others, too.
    is_any = family.is_described and file == PIPELINE
    if known_family.name != family.name and not is_any:
        raise UnknownModelClass(
            said(
                "{file} names {found_class}, a class of the family {known_family}, not of {family}.",
                file=file,
                found_class=found_class,
                known_family=known_family.name,
                family=family.name,
            ),
            field="family",
            hint=said(
                'Set family = "{known_family}" in the catalogue entry.', known_family=known_family.name
            ),
        )


def check_class(listing: Listing, expected: str) -> None:
    """Check that `config.json` names a class of diffusers whose name contains `expected`.

    Raises:
        UnknownModelClass: It names another class or none.
    """
    found_class = class_name(listing)
    if found_class is None or expected not in found_class or not _has_class("diffusers", found_class):
        raise _unknown_class(CONFIG, str(found_class))


def components(listing: Listing) -> Iterator[tuple[str, str, str]]:
    """Yield folder, library and class of each component of a pipeline.

    Raises:
        RemoteCode: The code of a component comes with the model.
        UnknownModelClass: The library has no such class.
    """
    for name, value in listing.read(PIPELINE).items():
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)):
            continue
        library, found_class = value
        if f"{library}.py" in listing.names or f"{name}/{library}.py" in listing.names:
            raise _remote_code(PIPELINE, f"{name} is {library}.{found_class}, which is a file of the model")
        if not _has_class(library, found_class):
            raise UnknownModelClass(
                said(
                    "{pipeline} names the class {library}.{found_class} as {name}, which is not installed.",
                    pipeline=PIPELINE,
                    library=library,
                    found_class=found_class,
                    name=name,
                ),
                field="source",
                hint=said("Install a version of {library} that has this class.", library=library),
            )
        yield name, library, found_class


def refuse_remote_code(listing: Listing, name: str) -> None:
    """Check that a configuration does not ask for code that comes with the model.

    Raises:
        RemoteCode: It asks for such code.
    """
    for word in ("auto_map", "custom_pipelines"):
        if asked := listing.read(name).get(word):
            raise _remote_code(name, f"{word} is {asked}")


def component_class(library: str, found_class: str) -> Any:
    """Return the class of a component; None if the library has no such class.

    Args:
        library: As `model_index.json` names it: diffusers, transformers, or a subpackage of
            `diffusers.pipelines`, such as stable_diffusion.
        found_class: Name of the class.
    """
    # `getattr`, because deprecated names are not in `dir`, but can be used.
    if library in _LIBRARIES:
        return getattr(import_module(library), found_class, None)
    # Imported here, because it loads diffusers.
    from brushwork_workers.models.description.deprecated_pipelines import find_deprecated_modules

    pipelines = import_module("diffusers.pipelines")
    if library not in dir(pipelines):
        find_deprecated_modules()
    return getattr(getattr(pipelines, library), found_class, None) if library in dir(pipelines) else None


def _has_class(library: str, found_class: str) -> bool:
    return component_class(library, found_class) is not None


def _remote_code(file: str, what: str) -> RemoteCode:
    return RemoteCode(
        said("{file} asks for code that comes with the model: {what}.", file=file, what=what),
        field="source",
        hint="brushwork never runs such code. Use a version of the model that a class of diffusers or "
        "transformers can load.",
    )


def _unknown_class(file: str, found_class: str) -> ModelUnavailable:
    class_names = [name for family in all_families().values() for name in family.classes]
    return UnknownModelClass(
        said(
            "{file} names the class {found_class}, which belongs to no family that can be served.",
            file=file,
            found_class=found_class,
        ),
        field="source",
        hint=said("Supported classes: {class_names}.", class_names=class_names),
    )
