"""The files of an IP-Adapter (Ye et al., 2023): attention layers for pictures, and an image encoder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brushwork_schemas.errors import ModelFileMissing, ModelUnavailable, NotFinite
from brushwork_schemas.wording.phrase import private, said
from diffusers.models.embeddings import ImageProjection
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from brushwork_workers.device.module_building import module_building
from brushwork_workers.families.diffusion.loras import weights_file
from brushwork_workers.families.finite import damaged_weights
from brushwork_workers.interface import FoundAddOn, LoadSpec
from brushwork_workers.models.layout import image_encoder_folder
from brushwork_workers.models.listing import FolderListing

_PARTS = ("image_proj", "ip_adapter")
# These adapters take the vector of a face recogniser, which is not a part of diffusers.
_OF_FACES = ("perceiver_resampler.proj_in.weight", "norm.weight")


@dataclass(frozen=True)
class IpAdapter:
    """A loaded IP-Adapter.

    Args:
        processors: The attention processor of each cross attention, by its name in the UNet.
        projection: Turns the embedding of a picture into tokens.
        image_encoder: Embeds pictures.
        image_processor: Prepares pictures for the image encoder.
    """

    processors: dict[str, Any]
    projection: nn.Module
    image_encoder: Any
    image_processor: Any

    @property
    def takes_hidden_states(self) -> bool:
        """Whether it takes the hidden states of the image encoder, not its one embedding."""
        return not isinstance(self.projection, ImageProjection)


@module_building()
def read_attention(file: Path, unet: Any, spec: LoadSpec) -> tuple[dict[str, Any], nn.Module]:
    """Read the attention processors and the projection of an IP-Adapter; the UNet is not changed.

    Args:
        file: The file, in safetensors format.
        unet: The UNet of the model.
        spec: The load spec of the model.

    Raises:
        NotFinite: A weight is not finite.
        ValueError: It is no IP-Adapter, or one that needs a face recogniser.
        Exception: Whatever the libraries raise for damaged files.
    """
    weights = load_file(file)
    if damaged := damaged_weights(weights.items()):
        raise NotFinite(
            said(
                "{number} weights of an IP-Adapter are not finite, for example {weight}. Its file is {file}.",
                number=len(damaged),
                file=private(file, "its file"),
                weight=damaged[0][:200],
            ),
            field="ip_adapters",
            hint="Download the file again, or leave the adapter out.",
        )
    state = {part: _of_part(weights, part) for part in _PARTS}
    if not all(state.values()):
        raise ValueError("it has not the tensors of an IP-Adapter: image_proj.* and ip_adapter.*")
    has_loras = any("lora" in key for key in state["ip_adapter"])
    is_of_faces = "proj.0.weight" in state["image_proj"] and any(
        key in state["image_proj"] for key in _OF_FACES
    )
    if has_loras or is_of_faces:
        raise ValueError("it needs the vectors of a face recogniser, which cannot be computed here")
    made = unet._convert_ip_adapter_attn_to_diffusers([state], low_cpu_mem_usage=False)
    own = {name: each for name, each in made.items() if hasattr(each, "to_k_ip")}
    projection = unet._convert_ip_adapter_image_proj_to_diffusers(
        state["image_proj"], low_cpu_mem_usage=False
    )
    for module in (projection, *own.values()):
        module.to(spec.device, spec.dtype).eval().requires_grad_(False)
    return own, projection


def encoder_folder(found: FoundAddOn) -> Path | None:
    """Return the folder of the image encoder that an IP-Adapter brings; None if it brings none."""
    folder = image_encoder_folder(found.entry, FolderListing(found.folder).names)
    return None if folder is None else found.folder / folder


def read_image_encoder(
    found: FoundAddOn, folder: Path | None, pipeline: Any, spec: LoadSpec
) -> tuple[Any, Any]:
    """Return the image encoder of an IP-Adapter, and what prepares pictures for it.

    Args:
        found: The adapter.
        folder: The folder of the image encoder that it brings, if it brings one.
        pipeline: The loaded pipeline. Its own image encoder is used if the adapter brings none.
        spec: The load spec of the model.

    Raises:
        ModelUnavailable: There is no image encoder, or it cannot be loaded.
    """
    encoder = getattr(pipeline, "image_encoder", None) if folder is None else _encoder(found, folder, spec)
    if encoder is None:
        raise ModelFileMissing(
            said("The IP-Adapter {entry} has no image encoder.", entry=found.entry.name),
            field="ip_adapters",
            hint="Set image_encoder in its catalogue entry to the folder of its image encoder.",
        )
    side = encoder.config.image_size
    processor = getattr(pipeline, "feature_extractor", None)
    # As in diffusers, that of the model; but one for another size would be refused by the encoder.
    if processor is None or getattr(processor, "crop_size", None) != {"height": side, "width": side}:
        processor = CLIPImageProcessor(size=side, crop_size=side)
    return encoder, processor


def adapter_file_of(found: FoundAddOn) -> Path:
    """Return the file with the weights of an IP-Adapter.

    Raises:
        ModelFileMissing: There is no file, or there are several and the entry names none.
    """
    try:
        return weights_file(found)
    except ModelFileMissing as error:
        error.field = "ip_adapters"
        raise


def _of_part(weights: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{part}."): each for key, each in weights.items() if key.startswith(f"{part}.")}


@module_building()
def _encoder(found: FoundAddOn, folder: Path, spec: LoadSpec) -> Any:
    try:
        encoder: Any = CLIPVisionModelWithProjection.from_pretrained(
            folder,
            dtype=spec.dtype,
            variant=found.entry.source.variant,
            use_safetensors=True,
            local_files_only=True,
        )
    # Damaged files can raise any exception. It affects only this adapter, not the model.
    except Exception as error:
        raise ModelUnavailable(
            said(
                "The image encoder of {name} cannot be loaded from {folder}: {error}.",
                name=found.entry.name,
                folder=private(folder, "its folder"),
                error=private(repr(error)),
            ),
            field="ip_adapters",
            hint="Check that its files are complete.",
        ) from error
    return encoder.to(spec.device).eval()
