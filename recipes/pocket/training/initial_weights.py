"""Start a training from the shipped weights instead of random ones."""

import shutil
from pathlib import Path

from brushwork_workers.pocket import WEIGHTS
from safetensors.torch import load_file
from torch import nn

_NOT_RETRAINED = ("vae", "text_encoder", "tokenizer")


def copy_shipped_weights(out: Path, weights: Path = WEIGHTS) -> None:
    """Copy the shipped weights to `out / "start"`, and parts that are not trained again to `out`.

    The other parts start from their shipped weights with new optimisers. The encoder is not trained again, so
    the latents stay the same. Existing folders stay unchanged.
    """
    if not (out / "start").exists():
        shutil.copytree(weights, out / "start")
    for part in _NOT_RETRAINED:
        if not (out / part).exists():
            shutil.copytree(weights / "pocket-diffusion" / part, out / part)


def load_initial_weights(model: nn.Module, out: Path, folder: str) -> bool:
    """Load the initial weights of a model, if there are any. Return whether they were loaded."""
    files = sorted((out / "start" / folder).glob("*.safetensors"))
    for file in files:
        model.load_state_dict({k: v.float() for k, v in load_file(file).items()})
    return bool(files)
