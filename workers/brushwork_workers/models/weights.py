"""Select the weight files of a module: safetensors, in one file or in shards, never a pickle."""

from posixpath import dirname, join

from brushwork_schemas.errors import ModelFileMissing, ModelUnavailable, PickledWeights
from brushwork_schemas.wording.phrase import said

from brushwork_workers.models.listing import Listing

SAFETENSORS = ".safetensors"
PICKLES = (".bin", ".ckpt", ".msgpack", ".pickle", ".pkl", ".pt", ".pth")


def weight_files(listing: Listing, folder: str, stem: str, variant: str | None) -> tuple[str, ...]:
    """Return the weight files of a module, including the index if the weights are in shards.

    If there is no file of the variant, the file without a variant is used, as the libraries do.

    Args:
        listing: The files of the model.
        folder: The folder of the module, "" for the top folder.
        stem: The name without suffix: `model` for transformers, `diffusion_pytorch_model` for diffusers.
        variant: The variant, for example `fp16`.

    Raises:
        ModelFileMissing: The module has no weights, or its index names a missing shard.
        PickledWeights: The weights are available only as a pickle.
    """
    for name_variant in dict.fromkeys((variant, None)):
        infix = f".{name_variant}" if name_variant else ""
        complete = join(folder, f"{stem}{infix}{SAFETENSORS}")
        index = join(folder, f"{stem}{SAFETENSORS}.index{infix}.json")
        # If both exist, transformers reads the single file, and diffusers reads the shards.
        for found in (complete, index) if stem == "model" else (index, complete):
            if found in listing.names:
                return (found,) if found == complete else (index, *_shards(listing, index))
    raise _no_weights(listing, folder, join(folder, stem + SAFETENSORS))


def adapter_file(listing: Listing, weight_name: str | None) -> str:
    """Return the file of an adapter: `weight_name`, or the only safetensors file.

    Raises:
        ModelFileMissing: The file is missing, or there are several and `weight_name` is not set.
        PickledWeights: The file is a pickle.
    """
    found = sorted(name for name in listing.names if name.endswith(SAFETENSORS) and "/" not in name)
    expected = weight_name or (found[0] if len(found) == 1 else "pytorch_lora_weights.safetensors")
    _check_safetensors(expected, "weight_name")
    if expected in listing.names:
        return expected
    if found:
        raise ModelFileMissing(
            said("{expected} is missing. Files found: {found}.", expected=expected, found=found[:5]),
            field="weight_name",
            hint="Set weight_name to the name of the file.",
        )
    raise _no_weights(listing, "", expected)


def pickled(name: str) -> PickledWeights:
    """Return the error about a pickled file."""
    return PickledWeights(
        said("{name} is a pickle. Loading a pickle can run any code.", name=name),
        field="source",
        hint="Only .safetensors files are loaded. Use a revision or a variant that has them, or convert the "
        "file on an isolated machine.",
    )


def _shards(listing: Listing, index: str) -> tuple[str, ...]:
    of = listing.read(index).get("weight_map")
    if not isinstance(of, dict) or not all(isinstance(name, str) for name in of.values()):
        raise ModelUnavailable(
            said("{index} cannot be read: it has no weight_map.", index=index),
            field="source",
            hint="Download the file again.",
        )
    shards = sorted({join(dirname(index), name) for name in of.values()})
    for shard in shards:
        _check_safetensors(shard, "source")
        if shard not in listing.names:
            raise ModelFileMissing(
                said("{shard} is missing, although {index} names it.", shard=shard, index=index),
                field="source",
                hint="Download the file, or download the model again.",
            )
    return tuple(shards)


def _check_safetensors(name: str, field: str) -> None:
    if name.endswith(PICKLES):
        raise pickled(name)
    # The libraries load files with any other suffix as a pickle.
    if not name.endswith(SAFETENSORS):
        raise ModelUnavailable(
            said(
                "{name} is configured as a weight file, but only {safetensors} files are loaded.",
                name=name,
                safetensors=SAFETENSORS,
            ),
            field=field,
            hint="Name a .safetensors file, or convert this file.",
        )


def _no_weights(listing: Listing, folder: str, expected: str) -> ModelUnavailable:
    for name in sorted(listing.names):
        if dirname(name) == folder and name.endswith(PICKLES) and not name.startswith("training_args"):
            return pickled(name)
    return ModelFileMissing(
        said("{expected} is missing.", expected=expected),
        field="source",
        hint="Download the file, or set `variant` to a variant that exists.",
    )
