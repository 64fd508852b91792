"""Pipelines of pictures whose transformer reads a language model or several encoders, tiny."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLHunyuanImage,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    HiDreamImagePipeline,
    HiDreamImageTransformer2DModel,
    HunyuanImagePipeline,
    HunyuanImageTransformer2DModel,
    OmniGenPipeline,
    OmniGenTransformer2DModel,
    OvisImagePipeline,
    OvisImageTransformer2DModel,
    ZImageImg2ImgPipeline,
    ZImageInpaintPipeline,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from diffusers.guiders import AdaptiveProjectedMixGuidance
from transformers import ByT5Tokenizer

from tests.checkpoints.qwen_image import text_encoder as qwen_2_5
from tests.pipelines import language_models
from tests.pipelines.parts import WIDTH, autoencoder, clip_with_projection, t5, words
from tests.pipelines.picture_transformers import HEADS, SHORT, START, flow, seeded
from tests.pipelines.trial import Trial, mask, sized
from tests.tiny_models import clip_tokenizer


def z_image(kind: type[Any]) -> Any:
    transformer = seeded(
        ZImageTransformer2DModel,
        in_channels=4,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 64, 64],
    )
    # The padding tokens are not initialised.
    with torch.no_grad():
        transformer.x_pad_token.normal_()
        transformer.cap_pad_token.normal_()
    return kind(
        scheduler=flow(),
        vae=autoencoder(shift_factor=0.06),
        text_encoder=language_models.qwen_3(),
        tokenizer=language_models.chat_tokenizer(),
        transformer=transformer,
    )


def omni_gen() -> Any:
    transformer = seeded(
        OmniGenTransformer2DModel,
        hidden_size=16,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=32,
        num_layers=1,
        in_channels=4,
        time_step_dim=4,
        rope_scaling={"long_factor": [1.0, 1.2], "short_factor": [1.0, 1.0]},
        vocab_size=512,
        pad_token_id=0,
    )
    return OmniGenPipeline(
        transformer=transformer,
        scheduler=flow(invert_sigmas=True, num_train_timesteps=1),
        vae=autoencoder(4),
        tokenizer=language_models.chat_tokenizer(),
    )


def ovis() -> Any:
    transformer = seeded(
        OvisImageTransformer2DModel,
        patch_size=1,
        in_channels=16,
        out_channels=16,
        num_layers=1,
        num_single_layers=1,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        **HEADS,
    )
    return OvisImagePipeline(
        scheduler=flow(),
        vae=autoencoder(latent_channels=4, shift_factor=0.06),
        text_encoder=language_models.qwen_3(),
        tokenizer=language_models.chat_tokenizer(),
        transformer=transformer,
    )


def flux_2_klein() -> Any:
    transformer = seeded(
        Flux2Transformer2DModel,
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        joint_attention_dim=3 * WIDTH,
        timestep_guidance_channels=256,
        axes_dims_rope=[4, 4, 4, 4],
        guidance_embeds=False,
        **HEADS,
    )
    vae = seeded(
        AutoencoderKLFlux2,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(16, 16),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=32,
        mid_block_add_attention=False,
    )
    return Flux2KleinPipeline(
        scheduler=flow(),
        vae=vae,
        text_encoder=language_models.qwen_3_with_head(num_hidden_layers=28),
        tokenizer=language_models.chat_tokenizer(),
        transformer=transformer,
    )


def hunyuan_image() -> Any:
    transformer = seeded(
        HunyuanImageTransformer2DModel,
        in_channels=4,
        out_channels=4,
        num_attention_heads=4,
        attention_head_dim=8,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=(1, 1),
        guidance_embeds=False,
        text_embed_dim=WIDTH,
        text_embed_2_dim=WIDTH,
        rope_axes_dim=(4, 4),
    )
    vae = seeded(
        AutoencoderKLHunyuanImage,
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(32, 64, 64, 64),
        layers_per_block=1,
        scaling_factor=0.476986,
        spatial_compression_ratio=8,
        sample_size=128,
    )
    return HunyuanImagePipeline(
        scheduler=flow(shift=7.0),
        vae=vae,
        text_encoder=qwen_2_5(),
        tokenizer=language_models.chat_tokenizer(),
        text_encoder_2=t5(vocab_size=384),
        tokenizer_2=ByT5Tokenizer(),
        transformer=transformer,
        # Its momentum buffer is state of a job.
        guider=AdaptiveProjectedMixGuidance(adaptive_projected_guidance_start_step=1),
        ocr_guider=AdaptiveProjectedMixGuidance(adaptive_projected_guidance_start_step=2),
    )


def hi_dream() -> Any:
    transformer = seeded(
        HiDreamImageTransformer2DModel,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_channels=[WIDTH, WIDTH],
        text_emb_dim=2 * WIDTH,
        num_routed_experts=4,
        num_activated_experts=2,
        axes_dims_rope=(4, 2, 2),
        max_resolution=(32, 32),
        llama_layers=(0, 1),
        force_inference_output=True,
    )
    return HiDreamImagePipeline(
        scheduler=flow(),
        vae=autoencoder(shift_factor=0.06),
        text_encoder=clip_with_projection(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_with_projection(),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5(),
        tokenizer_3=words(),
        text_encoder_4=language_models.llama_with_head(),
        tokenizer_4=words(),
        transformer=transformer,
    )


TRIALS = {
    "Flux2KleinPipeline": Trial(flux_2_klein, SHORT),
    "HiDreamImagePipeline": Trial(hi_dream, {**sized(), "max_sequence_length": 32}),
    "HunyuanImagePipeline": Trial(hunyuan_image, sized(), guidance=None, first_steps=4),
    "OmniGenPipeline": Trial(omni_gen, sized()),
    "OvisImagePipeline": Trial(ovis, SHORT),
    "ZImagePipeline": Trial(lambda: z_image(ZImagePipeline), SHORT),
    "ZImageImg2ImgPipeline": Trial(lambda: z_image(ZImageImg2ImgPipeline), {**SHORT, **START}),
    "ZImageInpaintPipeline": Trial(
        lambda: z_image(ZImageInpaintPipeline), {**SHORT, **START, "mask_image": mask()}
    ),
}
