"""The files that loading a model reads, by its family. These files are downloaded and verified."""

from collections.abc import Collection
from posixpath import basename, dirname, join
from typing import Any

from brushwork_core.files.model_folders import Entry
from brushwork_schemas.catalogue import AddOn
from brushwork_schemas.errors import ModelFileMissing, ModelUnavailable
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.wording.phrase import said

from brushwork_workers.models.class_names import (
    CONFIG,
    PIPELINE,
    check_class,
    check_family,
    check_timm,
    component_class,
    components,
    is_timm,
    refuse_remote_code,
)
from brushwork_workers.models.listing import Listing
from brushwork_workers.models.weights import adapter_file, weight_files

# The suffixes of configurations, vocabularies, sentencepiece models and chat templates.
_SMALL_FILES = (".json", ".txt", ".model", ".jinja")
_PREPROCESSOR_CONFIGS = ("preprocessor_config.json", "processor_config.json")
_SAFETY = "safety_checker"
# If this file is beside the weights, transformers loads an adapter whose files were not verified.
_ADAPTER = "adapter_config.json"


def files_to_load(entry: Entry, listing: Listing) -> tuple[str, ...]:
    """Return the names of all files that loading an entry reads, sorted.

    Raises:
        ModelFileMissing: A file is missing; the message names it.
        PickledWeights: The weights are available only as a pickle.
        RemoteCode: A configuration asks for code that comes with the model.
        UnknownModelClass: A configuration names an unknown class.
        ModelUnavailable: The folder contains an adapter besides the weights.
    """
    found = _files(entry, listing)
    for name in found:
        if basename(name) == _ADAPTER:
            raise _adapter_among_weights(name)
        if basename(name).endswith("config.json") or name == PIPELINE:
            refuse_remote_code(listing, name)
    return tuple(sorted(set(found)))


def _files(entry: Entry, listing: Listing) -> list[str]:
    variant = entry.source.variant
    if isinstance(entry, AddOn):
        if entry.type == "controlnet":
            return _controlnet(listing, variant)
        weights = adapter_file(listing, entry.weight_name)
        return [weights, *(_image_encoder(entry, listing) if entry.type == "ip-adapter" else ())]
    family = all_families()[entry.family]
    if family.library == "diffusers":
        _require(listing, PIPELINE)
        check_family(listing, family)
        return [PIPELINE, *_pipeline(listing, variant, with_safety_checker=entry.safety_checker)]
    _require(listing, CONFIG)
    refuse_remote_code(listing, CONFIG)
    if family.library != "transformers":
        return [CONFIG, *weight_files(listing, "", "model", None)]
    check_family(listing, family)
    config = listing.read(CONFIG)
    if is_timm(config):
        # It has no preprocessor_config.json: transformers prepares pictures by its `pretrained_cfg`.
        check_timm(config)
    elif not any(name in listing.names for name in _PREPROCESSOR_CONFIGS):
        _require(listing, _PREPROCESSOR_CONFIGS[0])
    return [*_small_files(listing, ""), *weight_files(listing, "", "model", variant)]


def _controlnet(listing: Listing, variant: str | None) -> list[str]:
    _require(listing, CONFIG)
    check_class(listing, "ControlNet")
    return [CONFIG, *weight_files(listing, "", "diffusion_pytorch_model", variant)]


def image_encoder_folder(entry: AddOn, names: Collection[str]) -> str | None:
    """Return the folder of an IP-Adapter's image encoder in its source; None if it has none.

    Args:
        entry: The catalogue entry.
        names: The names of the files of its source.

    Raises:
        ModelFileMissing: The folder that the entry names has no configuration.
    """
    folder = entry.image_encoder or join(dirname(entry.weight_name or ""), "image_encoder")
    if join(folder, CONFIG) in names:
        return folder
    if entry.image_encoder is not None:
        raise ModelFileMissing(
            said("{name} is missing.", name=join(folder, CONFIG)),
            field="image_encoder",
            hint="Set image_encoder to the folder of the image encoder in the source.",
        )
    return None


def _image_encoder(entry: AddOn, listing: Listing) -> list[str]:
    folder = image_encoder_folder(entry, listing.names)
    if folder is None:
        # The image encoder of the model is used.
        return []
    return [*_small_files(listing, folder), *weight_files(listing, folder, "model", entry.source.variant)]


def _pipeline(listing: Listing, variant: str | None, *, with_safety_checker: bool) -> list[str]:
    found = []
    for folder, library, found_class in components(listing):
        if folder == _SAFETY and not with_safety_checker:
            continue
        found += _small_files(listing, folder)
        own = component_class(library, found_class)
        if _is_module(own):
            _require(listing, join(folder, CONFIG))
            # Classes of diffusers have `config_name`, those of transformers have `config_class`.
            stem = "diffusion_pytorch_model" if hasattr(own, "config_name") else "model"
            found += weight_files(listing, folder, stem, variant)
        elif not _small_files(listing, folder):
            _require(listing, join(folder, _main_file_of(own)))
    return found


def _is_module(component: Any) -> bool:
    """Return whether a class has weights. All other classes schedule, guide or preprocess inputs."""
    # By name, because torch is not imported here.
    names = {each.__name__ for each in getattr(component, "__mro__", ())}
    return "Module" in names


def _main_file_of(component: Any) -> str:
    """Return the file that a component without weights is read from."""
    own: str | None = getattr(component, "config_name", None)
    return own or ("tokenizer_config.json" if "Tokenizer" in component.__name__ else _PREPROCESSOR_CONFIGS[0])


def _small_files(listing: Listing, folder: str) -> list[str]:
    return [
        name
        for name in listing.names
        if dirname(name) == folder and name.endswith(_SMALL_FILES) and ".index" not in name
    ]


def _require(listing: Listing, name: str) -> None:
    if name not in listing.names:
        raise ModelFileMissing(
            said("{name} is missing.", name=name), field="source", hint="Download the file."
        )


def _adapter_among_weights(name: str) -> ModelUnavailable:
    return ModelUnavailable(
        said(
            "{name} is in the folder: the model would be loaded with an adapter whose "
            "files are not verified.",
            name=name,
        ),
        field="source",
        hint="Delete the files of the adapter, or save the model with the adapter merged into its weights.",
    )
