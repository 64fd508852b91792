"""Why a file is not a checkpoint that can be loaded, with what to do instead."""

from pathlib import Path

from brushwork_schemas.errors import InvalidRequest, ModelNotHere, ModelUnavailable, PickledWeights
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.wording.phrase import private, said

from brushwork_workers.models.checkpoints.contents import CheckpointContents
from brushwork_workers.models.weights import PICKLES

SUFFIXES = (".safetensors", ".sft")


def file_in_place_of_a_folder(file: Path) -> ModelUnavailable:
    """Return the error for `--folder` with the path of a file.

    Args:
        file: The file, which exists.
    """
    if file.suffix.lower() in PICKLES:
        return _pickle(file, "folder")
    return ModelUnavailable(
        said("folder: {file} is a single file.", file=private(file, "its file")),
        field="folder",
        hint="For a checkpoint, pass --file FILE --base NAME, where NAME is a model of the same family. "
        "For a LoRA adapter, pass --type lora --family FAMILY --file FILE.",
    )


def check_path(file: Path, field: str) -> None:
    """Check that a path names a file that may be a safetensors file, by its name alone.

    Args:
        file: The path.
        field: Field of the entry, for messages.

    Raises:
        ModelNotHere: There is no such file.
        PickledWeights: It is a pickle.
        ModelUnavailable: It has another format.
    """
    if file.suffix.lower() in PICKLES:
        raise _pickle(file, field)
    if not file.is_file():
        raise ModelNotHere(
            said(
                "{field}: there is no file {file}.", field=field, file=private(file, "of its catalogue entry")
            ),
            field=field,
            hint="Correct the path of the file.",
        )
    if file.suffix.lower() not in SUFFIXES:
        raise ModelUnavailable(
            said("{field}: {file} is not a safetensors file.", field=field, file=private(file, "its file")),
            field=field,
            hint="Only .safetensors files are loaded. GGUF, ONNX and other formats are not supported.",
        )


def check_is_checkpoint(contents: CheckpointContents, field: str = "file") -> None:
    """Check that a file has a denoiser, and weights as they are.

    Args:
        contents: What the file has.
        field: Field of the entry, for messages.

    Raises:
        ModelUnavailable: It is a LoRA adapter, a VAE, an embedding, a ControlNet or something unknown.
    """
    if (reason := _other_sort(contents)) is not None:
        message, hint = reason
        raise ModelUnavailable(
            said(message, field=field, file=private(contents.file, "its file")), field=field, hint=hint
        )


def needs_a_base(contents: CheckpointContents) -> InvalidRequest:
    """Return the error for a checkpoint without a base.

    Args:
        contents: What the file has.
    """
    known = [contents.family] if contents.family else list(all_families())
    return InvalidRequest(
        said(
            "base: a single file needs a model that provides its configuration and tokenizers.",
        ),
        field="base",
        hint=said("Pass --base NAME with a model of the family {names}.", names=known),
    )


def not_an_adapter(contents: CheckpointContents) -> ModelUnavailable:
    """Return the error for a file that is given as a LoRA adapter, but is none.

    Args:
        contents: What the file has.
    """
    return ModelUnavailable(
        said("file: {file} is not a LoRA adapter.", file=private(contents.file.name, "its file")),
        field="file",
        hint="A checkpoint is added without --type, with --base NAME.",
    )


def does_not_fit(contents: CheckpointContents, base: str, family: str, reason: str) -> ModelUnavailable:
    """Return the error for a file that does not fit its base.

    Args:
        contents: What the file has.
        base: Name of the base.
        family: Family of the base.
        reason: What does not fit.
    """
    file, theirs = private(contents.file.name, "its file"), contents.family
    if theirs is not None and theirs != family:
        return ModelUnavailable(
            said(
                "file: {file} is a checkpoint of the family {theirs}, but {base} is of the family {family}.",
                file=file,
                theirs=theirs,
                base=base,
                family=family,
            ),
            field="base",
            hint=said("Pass --base with a model of the family {theirs}.", theirs=theirs),
        )
    return ModelUnavailable(
        said("file: {file} does not fit {base}: {reason}.", file=file, base=base, reason=reason),
        field="base",
        hint="Choose as base a model that the checkpoint was trained from: of the same version, and an "
        "inpainting model for an inpainting checkpoint.",
    )


def _other_sort(contents: CheckpointContents) -> tuple[str, str] | None:
    if contents.is_adapter:
        return (
            "{field}: {file} is a LoRA adapter, not a checkpoint.",
            said(
                "Add it with --type lora --family FAMILY --file FILE. Families: {names}.",
                names=[name for name, family in all_families().items() if "loras" in family.accepts],
            ),
        )
    if contents.is_embedding:
        return (
            "{field}: {file} is an embedding of textual inversion, not a checkpoint.",
            "See docs/models.md for embeddings in the catalogue.",
        )
    if contents.is_controlnet:
        return (
            "{field}: {file} is a ControlNet, not a checkpoint.",
            "Convert it into a folder with diffusers, and add it with --type controlnet --folder FOLDER.",
        )
    if contents.is_quantised:
        return (
            "{field}: {file} has quantised weights with scales of their own, which cannot be read.",
            "Use a file with float32, float16, bfloat16 or plain float8 weights.",
        )
    if contents.is_vae:
        return (
            "{field}: {file} is a VAE, not a checkpoint.",
            'Set vae = "FILE" in the catalogue entry of a model.',
        )
    if not contents.denoiser:
        return (
            "{field}: {file} has no UNet and no transformer.",
            "Use a checkpoint, or the file of a transformer alone.",
        )
    return None


def _pickle(file: Path, field: str) -> PickledWeights:
    return PickledWeights(
        said(
            "{field}: {file} is a single file with pickled weights. Loading them could run code.",
            field=field,
            file=private(file, "its file"),
        ),
        field=field,
        hint="Use the .safetensors file of the same model, or convert the file on an isolated machine.",
    )
