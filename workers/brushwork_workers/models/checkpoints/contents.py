"""What a single safetensors file has, by its header alone: names, shapes and formats of its tensors."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from brushwork_workers.models.safetensors_head import TensorHead, tensor_heads

DENOISER_PREFIX = "model.diffusion_model."
VAE_PREFIXES = ("first_stage_model.", "vae.")
T5_PREFIX = "text_encoders.t5xxl.transformer."
# The prefixes of CLIP encoders by the component of the pipeline: of Stable Diffusion 1 and 2, XL, 3 and FLUX.
CLIP_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "text_encoder": (
        "cond_stage_model.transformer.",
        "cond_stage_model.model.",
        "conditioner.embedders.0.transformer.",
        "text_encoders.clip_l.transformer.",
    ),
    "text_encoder_2": (
        "conditioner.embedders.1.model.",
        # The only encoder of the refiner of Stable Diffusion XL.
        "conditioner.embedders.0.model.",
        "text_encoders.clip_g.transformer.",
    ),
}
_NOT_OF_THE_DENOISER = (
    *VAE_PREFIXES,
    "cond_stage_model.",
    "conditioner.",
    "text_encoders.",
    "model_ema.",
    "control_model.",
)
_ADAPTER = re.compile(
    r"^lora_|\.(lora_(down|up|mid|A|B)|lora\.(down|up)|hada_[wt]\d|lokr_[wt]\d)|_lora\.(down|up)\."
)
_QUANTISED = re.compile(
    r"scaled_fp8$|\.(scale_weight|weight_scale|input_scale|comfy_quant|absmax|qweight|quant_map)$|\.quant_state\."
)
_VAE_ALONE = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "loss.")


@dataclass(frozen=True)
class CheckpointContents:
    """The tensors of a file.

    Args:
        file: The file.
        tensors: Number format and shape of each tensor by name.
    """

    file: Path
    tensors: Mapping[str, TensorHead]

    @classmethod
    def of(cls, file: Path) -> "CheckpointContents":
        """Read the header of a file.

        Raises:
            ModelUnavailable: The file is cut off, or is not a safetensors file.
        """
        return cls(file, tensor_heads(file))

    @property
    def names(self) -> Collection[str]:
        """The names of all tensors."""
        return self.tensors.keys()

    def with_prefix(self, *prefixes: str) -> dict[str, str]:
        """Return the full names of the tensors that have one of these prefixes, by the name without it."""
        return {
            name.removeprefix(prefix): name
            for prefix in prefixes
            for name in self.tensors
            if name.startswith(prefix)
        }

    @cached_property
    def denoiser(self) -> dict[str, str]:
        """Full names of the tensors of the denoiser by the name without prefix. Many files have it alone."""
        if found := self.with_prefix(DENOISER_PREFIX):
            return found
        if self.is_vae:
            return {}
        return {name: name for name in self.tensors if not name.startswith(_NOT_OF_THE_DENOISER)}

    @cached_property
    def vae(self) -> dict[str, str]:
        """Full names of the tensors of the VAE by the name without prefix."""
        if self.is_vae:
            return {name: name for name in self.tensors if not name.startswith("loss.")}
        return self.with_prefix(*VAE_PREFIXES)

    @cached_property
    def is_vae(self) -> bool:
        """Whether the file is a VAE and nothing else, without a prefix."""
        return bool(self.tensors) and all(name.startswith(_VAE_ALONE) for name in self.tensors)

    @cached_property
    def is_adapter(self) -> bool:
        """Whether the file is a LoRA adapter of any layout."""
        return any(_ADAPTER.search(name) for name in self.tensors)

    @cached_property
    def is_controlnet(self) -> bool:
        """Whether the file is a ControlNet."""
        marks = ("control_model.", "controlnet_")
        return any(name.startswith(marks) or "controlnet_cond_embedding" in name for name in self.tensors)

    @cached_property
    def is_embedding(self) -> bool:
        """Whether the file is an embedding of textual inversion."""
        known = ("emb_params", "string_to_param", "clip_l", "clip_g", "<")
        return 0 < len(self.tensors) < 5 and all(name.startswith(known) for name in self.tensors)

    @cached_property
    def is_quantised(self) -> bool:
        """Whether weights are stored with scales beside them, which must be multiplied with them."""
        return any(_QUANTISED.search(name) for name in self.tensors)

    @cached_property
    def family(self) -> str | None:
        """The family that the names of the tensors tell; None if they tell none of the four."""
        names = self.denoiser
        if "double_blocks.0.img_attn.norm.key_norm.scale" in names and "img_in.weight" in names:
            return "flux"
        if "single_transformer_blocks.0.attn.to_q.weight" in names and "context_embedder.weight" in names:
            return "flux"
        if (
            "joint_blocks.0.context_block.adaLN_modulation.1.bias" in names
            or "pos_embed.proj.weight" in names
        ):
            return "stable-diffusion-3"
        if "input_blocks.0.0.weight" in names or "down_blocks.0.resnets.0.conv1.weight" in names:
            has_pooled = "label_emb.0.0.weight" in names or "add_embedding.linear_1.weight" in names
            return "stable-diffusion-xl" if has_pooled else "stable-diffusion"
        return None

    def clip(self, component: str) -> tuple[str, dict[str, str]]:
        """Return the prefix of a CLIP encoder and the full names of its tensors by the name without it."""
        for prefix in CLIP_PREFIXES.get(component, ()):
            if found := self.with_prefix(prefix):
                return prefix, found
        return "", {}

    def t5(self) -> dict[str, str]:
        """Return the full names of the tensors of the T5 encoder by the name without prefix."""
        return self.with_prefix(T5_PREFIX)
