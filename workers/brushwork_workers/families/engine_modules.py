"""The modules of a pipeline of diffusers, or of a captioner, that an engine may run."""

from typing import Any

from torch import nn

_COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "image_encoder")
# `encode` and `decode` of an autoencoder call these.
_AUTOENCODER_PARTS = ("encoder", "decoder")
# Names of the encoder of pictures in the captioners of transformers.
_PICTURE_ENCODERS = ("image_encoder", "vision_tower", "vision_model", "encoder")


def modules_of_pipeline(pipeline: Any) -> dict[str, nn.Module]:
    """Return the modules of a loaded pipeline that an engine may run, by name."""
    components = pipeline.components
    found = {name: components.get(name) for name in _COMPONENTS}
    autoencoder = components.get("vae")
    found |= {f"vae.{part}": getattr(autoencoder, part, None) for part in _AUTOENCODER_PARTS}
    return {name: module for name, module in found.items() if isinstance(module, nn.Module)}


def picture_encoder(network: Any) -> dict[str, nn.Module]:
    """Return the encoder of a captioner's pictures, by its name; nothing if it is not known.

    The text is written token by token, with a cache that grows. No engine takes such a cache, so torch runs
    the rest of the network.
    """
    for owner in (network, *(getattr(network, name, None) for name in ("model", "git"))):
        for name in _PICTURE_ENCODERS:
            module = getattr(owner, name, None)
            if isinstance(module, nn.Module):
                return {name: module}
    return {}
