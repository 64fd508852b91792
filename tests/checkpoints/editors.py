"""Pipelines that edit pictures by an instruction, of their real classes in tiny, seeded configurations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from brushwork_workers.models.description.pipeline_description import describe
from brushwork_workers.models.listing import FolderListing
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    DDIMScheduler,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    FluxKontextPipeline,
    OmniGenPipeline,
    OmniGenTransformer2DModel,
    QwenImageEditPipeline,
    QwenImageEditPlusPipeline,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from transformers import (
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tests.checkpoints.listening import listening
from tests.checkpoints.qwen_image import SPECIAL, qwen_image
from tests.checkpoints.qwen_image import tokenizer as qwen_tokenizer
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import flux

_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


def instruct_pix2pix() -> DiffusionPipeline:
    """Its UNet takes the latents of the picture beside those of the result."""
    plain: Any = stable_diffusion()
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_config(plain.unet.config, in_channels=8)
    return StableDiffusionInstructPix2PixPipeline(
        vae=plain.vae,
        text_encoder=plain.text_encoder,
        tokenizer=plain.tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def flux_kontext() -> DiffusionPipeline:
    plain: Any = flux()
    return FluxKontextPipeline(
        **{name: each for name, each in plain.components.items() if name not in ("image_encoder",)}
        | {"image_encoder": None, "feature_extractor": None}
    )


def qwen_image_edit() -> DiffusionPipeline:
    return QwenImageEditPipeline(**_seeing_qwen())


def qwen_image_edit_plus() -> DiffusionPipeline:
    return QwenImageEditPlusPipeline(**_seeing_qwen())


def _seeing_qwen() -> dict[str, Any]:
    """Components of Qwen-Image whose text encoder also reads the picture."""
    plain: Any = qwen_image()
    tokenizer = plain.tokenizer
    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": [*SPECIAL[1:], *marks]})
    plain.text_encoder.config.image_token_id = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    plain.text_encoder.config.video_token_id = tokenizer.convert_tokens_to_ids("<|video_pad|>")
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
    )
    return {**plain.components, "processor": processor}


def flux_2() -> DiffusionPipeline:
    torch.manual_seed(0)
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 32,
        axes_dims_rope=[4, 4, 4, 4],
    )
    listening(transformer)
    text_encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=512,
            hidden_size=32,
            intermediate_size=37,
            # The pipeline reads the layers 9, 18 and 27.
            num_hidden_layers=28,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=1024,
        )
    )
    tokenizer: Any = qwen_tokenizer()
    tokenizer.chat_template = _CHAT
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 8),
            layers_per_block=1,
            latent_channels=1,
            norm_num_groups=1,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
    )


def omnigen() -> DiffusionPipeline:
    torch.manual_seed(0)
    transformer = OmniGenTransformer2DModel(
        hidden_size=32,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=64,
        num_layers=2,
        pad_token_id=0,
        vocab_size=512,
        max_position_embeddings=4096,
        original_max_position_embeddings=4096,
        rope_scaling={"short_factor": [1.0] * 8, "long_factor": [1.0] * 8},
        pos_embed_max_size=32,
        time_step_dim=32,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
    )
    return OmniGenPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        tokenizer=qwen_tokenizer(),
    )


EDITORS: dict[str, Callable[[], DiffusionPipeline]] = {
    "instruct-pix2pix": instruct_pix2pix,
    "flux-kontext": flux_kontext,
    "flux-2": flux_2,
    "omnigen": omnigen,
    "qwen-image-edit": qwen_image_edit,
    "qwen-image-edit-plus": qwen_image_edit_plus,
}
# Those of Qwen scale every picture to a megapixel, which takes long.
QUICK = ("instruct-pix2pix", "flux-kontext", "flux-2", "omnigen")
_ENTRY = """
[models.{name}]
family = "diffusers"
source = {{ folder = "{folder}" }}
kinds = ["image-editing"]
pipeline = {pipeline}
"""


def save_all(folder: Path) -> str:
    """Save the quick ones, and return their catalogue entries."""
    return "".join(_saved(folder / name, name) for name in QUICK)


def _saved(folder: Path, name: str) -> str:
    pipeline: Any = EDITORS[name]()
    pipeline.save_pretrained(folder)
    described = describe(FolderListing(folder)).model_dump(mode="json", exclude_defaults=True)
    return _ENTRY.format(name=name, folder=folder, pipeline=_inline(described))


def _inline(value: Any) -> str:
    """Return a value as TOML in one line."""
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{json.dumps(name)} = {_inline(each)}" for name, each in value.items()) + " }"
        )
    return json.dumps(value)
