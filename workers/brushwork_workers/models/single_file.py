"""The error for a model that is a single file: such models are not supported yet."""

from pathlib import Path

from brushwork_schemas.errors import ModelUnavailable, PickledWeights
from brushwork_schemas.wording.phrase import private, said

_PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


def single_file(file: Path) -> ModelUnavailable:
    """Return the error for a path that names a file where a folder is needed.

    Args:
        file: The file, which exists.
    """
    if file.suffix.lower() in _PICKLED:
        return PickledWeights(
            said(
                "folder: {file} is a single file with pickled weights. Loading them could run code.",
                file=private(file, "its file"),
            ),
            field="folder",
            hint="Get the model as a folder with safetensors files, and pass this folder.",
        )
    return ModelUnavailable(
        said(
            "folder: {file} is a single file. Single files are not supported yet; a model is a folder.",
            file=private(file, "its file"),
        ),
        field="folder",
        hint="Convert a checkpoint once with diffusers, for example "
        "StableDiffusionXLPipeline.from_single_file(FILE).save_pretrained(FOLDER), and pass --folder FOLDER. "
        "Put a LoRA adapter into a folder of its own, and pass --type lora --folder FOLDER.",
    )
