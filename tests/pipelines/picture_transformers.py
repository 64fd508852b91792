"""Pipelines of pictures with a transformer, tiny."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    BriaPipeline,
    BriaTransformer2DModel,
    ChromaImg2ImgPipeline,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogVideoXDDIMScheduler,
    CogView3PlusPipeline,
    CogView3PlusTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    LuminaNextDiT2DModel,
    LuminaPipeline,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    SanaSprintImg2ImgPipeline,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
)

from tests.checkpoints.sana import autoencoder as sana_autoencoder
from tests.checkpoints.sana import gemma_tokenizer
from tests.pipelines import language_models
from tests.pipelines.parts import WIDTH, autoencoder, t5, words
from tests.pipelines.trial import SCHEDULERS, Trial, picture, sized

HEADS = {"num_attention_heads": 2, "attention_head_dim": 16}
START = {"image": picture(), "strength": 0.8}


def flow(**options: Any) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(**options)


def seeded(kind: type[Any], **options: Any) -> Any:
    torch.manual_seed(0)
    return kind(**options)


def aura_flow() -> Any:
    transformer = seeded(
        AuraFlowTransformer2DModel,
        sample_size=16,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        caption_projection_dim=32,
        joint_attention_dim=WIDTH,
        pos_embed_max_size=256,
        **HEADS,
    )
    return AuraFlowPipeline(
        tokenizer=words(),
        text_encoder=language_models.umt5(),
        vae=autoencoder(),
        transformer=transformer,
        scheduler=flow(),
    )


def chroma(kind: type[Any]) -> Any:
    transformer = seeded(
        ChromaTransformer2DModel,
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        approximator_hidden_dim=32,
        approximator_layers=1,
        approximator_num_channels=16,
        **HEADS,
    )
    return kind(
        scheduler=flow(),
        vae=autoencoder(latent_channels=1, shift_factor=0.06),
        text_encoder=t5(),
        tokenizer=words(),
        transformer=transformer,
        image_encoder=None,
        feature_extractor=None,
    )


def cog_view_3() -> Any:
    transformer = seeded(
        CogView3PlusTransformer2DModel,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=4,
        num_attention_heads=2,
        text_embed_dim=WIDTH,
        time_embed_dim=8,
        condition_dim=2,
        pos_embed_max_size=8,
        sample_size=8,
    )
    return CogView3PlusPipeline(
        tokenizer=words(),
        text_encoder=t5(),
        vae=autoencoder(),
        transformer=transformer,
        scheduler=CogVideoXDDIMScheduler(),
    )


def cog_view_4() -> Any:
    transformer = seeded(
        CogView4Transformer2DModel,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=4,
        num_attention_heads=4,
        text_embed_dim=WIDTH,
        time_embed_dim=8,
        condition_dim=4,
        sample_size=16,
        rope_axes_dim=(16, 16),
    )
    return CogView4Pipeline(
        tokenizer=words(),
        text_encoder=language_models.glm(),
        vae=autoencoder(),
        transformer=transformer,
        scheduler=flow(base_shift=0.25, max_shift=0.75, use_dynamic_shifting=True, time_shift_type="linear"),
    )


def lumina() -> Any:
    transformer = seeded(
        LuminaNextDiT2DModel,
        sample_size=4,
        patch_size=2,
        in_channels=4,
        hidden_size=32,
        num_layers=2,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        ffn_dim_multiplier=None,
        norm_eps=1e-5,
        learn_sigma=True,
        qk_norm=True,
        cross_attention_dim=WIDTH,
        scaling_factor=1.0,
    )
    return LuminaPipeline(
        transformer=transformer,
        scheduler=flow(),
        vae=autoencoder(),
        text_encoder=language_models.gemma(),
        # As the published one does. Without any token, the transformer divides by zero.
        tokenizer=gemma_tokenizer(add_bos_token=True),
    )


def lumina_2() -> Any:
    transformer = seeded(
        Lumina2Transformer2DModel,
        sample_size=4,
        patch_size=2,
        in_channels=4,
        hidden_size=32,
        num_layers=2,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=2,
        ffn_dim_multiplier=1.0,
        axes_dim_rope=(4, 8, 4),
        axes_lens=(512, 512, 512),
        cap_feat_dim=WIDTH,
    )
    return Lumina2Pipeline(
        transformer=transformer,
        scheduler=flow(),
        vae=autoencoder(shift_factor=0.06),
        text_encoder=language_models.gemma_2(),
        tokenizer=gemma_tokenizer(),
    )


def bria() -> Any:
    transformer = seeded(
        BriaTransformer2DModel,
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=None,
        axes_dims_rope=[0, 4, 4],
    )
    return BriaPipeline(
        transformer=transformer,
        scheduler=flow(),
        vae=autoencoder(latent_channels=4),
        text_encoder=t5(),
        tokenizer=words(),
        image_encoder=None,
        feature_extractor=None,
    )


def pixart_alpha() -> Any:
    transformer = seeded(
        PixArtTransformer2DModel,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        cross_attention_dim=16,
        sample_size=16,
        caption_channels=WIDTH,
    )
    return PixArtAlphaPipeline(
        tokenizer=words(),
        text_encoder=t5(),
        vae=autoencoder(),
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
    )


def sana_sprint(kind: type[Any]) -> Any:
    transformer = seeded(
        SanaTransformer2DModel,
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=WIDTH,
        sample_size=8,
        qk_norm="rms_norm_across_heads",
        guidance_embeds=True,
    )
    return kind(
        tokenizer=gemma_tokenizer(),
        text_encoder=language_models.gemma_2(),
        vae=sana_autoencoder(),
        transformer=transformer,
        scheduler=SCMScheduler(),
    )


SHORT = {"max_sequence_length": 16, **sized()}
TRIALS = {
    "AuraFlowPipeline": Trial(aura_flow, sized()),
    "BriaPipeline": Trial(bria, sized()),
    "ChromaPipeline": Trial(lambda: chroma(ChromaPipeline), SHORT),
    "ChromaImg2ImgPipeline": Trial(lambda: chroma(ChromaImg2ImgPipeline), {**SHORT, **START}),
    "CogView3PlusPipeline": Trial(cog_view_3, {**sized(16), "max_sequence_length": 16}),
    "CogView4Pipeline": Trial(cog_view_4, SHORT),
    "LuminaPipeline": Trial(lumina, {**sized(), "clean_caption": False}),
    "Lumina2Pipeline": Trial(lumina_2, sized()),
    "PixArtAlphaPipeline": Trial(
        pixart_alpha,
        {**sized(), "clean_caption": False, "use_resolution_binning": False, "max_sequence_length": 16},
        schedulers=SCHEDULERS,
    ),
    "SanaSprintPipeline": Trial(
        lambda: sana_sprint(SanaSprintPipeline),
        {
            **sized(),
            "use_resolution_binning": False,
            "complex_human_instruction": None,
            "intermediate_timesteps": None,
        },
    ),
    "SanaSprintImg2ImgPipeline": Trial(
        lambda: sana_sprint(SanaSprintImg2ImgPipeline),
        {
            **sized(),
            **START,
            "use_resolution_binning": False,
            "complex_human_instruction": None,
            "intermediate_timesteps": None,
        },
    ),
}
