"""Which files hold a module's weights: safetensors, of the variant, whole or in shards; never a pickle."""

from posixpath import dirname, join

from brushwork_schemas.errors import ModelFileMissing, ModelUnavailable, PickledWeights

from brushwork_workers.models.listing import Listing

SAFETENSORS = ".safetensors"
PICKLES = (".bin", ".ckpt", ".msgpack", ".pickle", ".pkl", ".pt", ".pth")


def weight_files(listing: Listing, folder: str, stem: str, variant: str | None) -> tuple[str, ...]:
    """The files that hold a module's weights, and the index of shards if it has one.

    Where there is no file of the variant, the plain one is taken, as the libraries do.

    Args:
        listing: Of the model.
        folder: Of the module in it, "" for the top.
        stem: `model` for transformers, `diffusion_pytorch_model` for diffusers.
        variant: Such as fp16.

    Raises:
        ModelFileMissing: The module has no weights, or its index names a shard that is not there.
        PickledWeights: It has them as a pickle only.
    """
    for name_variant in dict.fromkeys((variant, None)):
        infix = f".{name_variant}" if name_variant else ""
        complete = join(folder, f"{stem}{infix}{SAFETENSORS}")
        index = join(folder, f"{stem}{SAFETENSORS}.index{infix}.json")
        # Where both are there, transformers reads the whole file, and diffusers the shards.
        for found in (complete, index) if stem == "model" else (index, complete):
            if found in listing.names:
                return (found,) if found == complete else (index, *_shards(listing, index))
    raise _no_weights(listing, folder, join(folder, stem + SAFETENSORS))


def adapter_file(listing: Listing, weight_name: str | None) -> str:
    """The one file of a LoRA adapter.

    Raises:
        ModelFileMissing: It is not there, or there are several and none is named.
        PickledWeights: It is a pickle.
    """
    found = sorted(name for name in listing.names if name.endswith(SAFETENSORS) and "/" not in name)
    expected = weight_name or (found[0] if len(found) == 1 else "pytorch_lora_weights.safetensors")
    _check_safetensors(expected, "weight_name")
    if expected in listing.names:
        return expected
    if found:
        raise ModelFileMissing(
            f"{expected} is not there; there are {', '.join(found[:5])}.",
            field="weight_name",
            hint="Name the file with weight_name.",
        )
    raise _no_weights(listing, "", expected)


def pickled(name: str) -> PickledWeights:
    """The error about a pickled file."""
    return PickledWeights(
        f"{name} is a pickle, and to load one is to run whatever it holds.",
        field="source",
        hint="Only .safetensors files are loaded: look for a revision or a variant that has them, "
        "or convert the file on a machine that you can spare.",
    )


def _shards(listing: Listing, index: str) -> tuple[str, ...]:
    of = listing.read(index).get("weight_map")
    if not isinstance(of, dict) or not all(isinstance(name, str) for name in of.values()):
        raise ModelUnavailable(f"{index} can't be read: it has no weight_map.", field="source")
    shards = sorted({join(dirname(index), name) for name in of.values()})
    for shard in shards:
        _check_safetensors(shard, "source")
        if shard not in listing.names:
            raise ModelFileMissing(
                f"{shard} is not there, and {index} names it.",
                field="source",
                hint="Fetch the file, or all of them again.",
            )
    return tuple(shards)


def _check_safetensors(name: str, field: str) -> None:
    if name.endswith(PICKLES):
        raise pickled(name)
    # The libraries take whatever is called otherwise for a pickle.
    if not name.endswith(SAFETENSORS):
        raise ModelUnavailable(
            f"{name} is named as a file of weights, and only {SAFETENSORS} files are loaded.",
            field=field,
            hint="Name a .safetensors file, or convert this one.",
        )


def _no_weights(listing: Listing, folder: str, expected: str) -> ModelUnavailable:
    for name in sorted(listing.names):
        if dirname(name) == folder and name.endswith(PICKLES) and not name.startswith("training_args"):
            return pickled(name)
    return ModelFileMissing(
        f"{expected} is not there.", field="source", hint="Fetch the file, or name the variant that is there."
    )
