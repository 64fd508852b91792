"""A start from what ships instead of from nothing."""

import shutil
from pathlib import Path

from brushwork_workers.pocket import WEIGHTS
from safetensors.torch import load_file
from torch import nn

_KEPT = ("vae", "text_encoder", "tokenizer")


def unpack(out: Path, weights: Path = WEIGHTS) -> None:
    """Copies the shipped weights into `out / "start"`, and what is not trained again into `out`.

    The denoiser and the others go on from their shipped weights with fresh optimisers; the latents are
    those of the shipped encoder, which is not trained again. What is there already stays.
    """
    if not (out / "start").exists():
        shutil.copytree(weights, out / "start")
    for part in _KEPT:
        if not (out / part).exists():
            shutil.copytree(weights / "pocket-diffusion" / part, out / part)


def load_start(model: nn.Module, out: Path, folder: str) -> bool:
    """Loads the weights that a model starts from, if its training is not one from nothing."""
    files = sorted((out / "start" / folder).glob("*.safetensors"))
    for file in files:
        model.load_state_dict({k: v.float() for k, v in load_file(file).items()})
    return bool(files)
