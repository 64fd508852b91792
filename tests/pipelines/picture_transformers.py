"""Pipelines of pictures with a transformer, tiny."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderKLFlux2,
    AutoencoderKLHunyuanImage,
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
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    HiDreamImagePipeline,
    HiDreamImageTransformer2DModel,
    HunyuanImagePipeline,
    HunyuanImageTransformer2DModel,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    LuminaNextDiT2DModel,
    LuminaPipeline,
    OmniGenPipeline,
    OmniGenTransformer2DModel,
    OvisImagePipeline,
    OvisImageTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    SanaSprintImg2ImgPipeline,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
    ZImageImg2ImgPipeline,
    ZImageInpaintPipeline,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from diffusers.guiders import AdaptiveProjectedMixGuidance
from transformers import ByT5Tokenizer

from tests.checkpoints.qwen_image import text_encoder as qwen_2_5
from tests.checkpoints.sana import autoencoder as sana_autoencoder
from tests.checkpoints.sana import gemma_tokenizer
from tests.pipelines import language_models
from tests.pipelines.parts import WIDTH, autoencoder, clip_with_projection, t5, words
from tests.pipelines.trial import FLOW_SCHEDULERS, SCHEDULERS, Trial, mask, picture, sized
from tests.tiny_models import clip_tokenizer

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
        tokenizer=gemma_tokenizer(),
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
        vae=autoencoder(),
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


SHORT = {"max_sequence_length": 16, **sized()}
TRIALS = {
    "AuraFlowPipeline": Trial(aura_flow, sized()),
    "BriaPipeline": Trial(bria, sized()),
    "ChromaPipeline": Trial(lambda: chroma(ChromaPipeline), SHORT),
    "ChromaImg2ImgPipeline": Trial(lambda: chroma(ChromaImg2ImgPipeline), {**SHORT, **START}),
    "CogView3PlusPipeline": Trial(cog_view_3, {**sized(16), "max_sequence_length": 16}),
    "CogView4Pipeline": Trial(cog_view_4, SHORT),
    "Flux2KleinPipeline": Trial(flux_2_klein, SHORT),
    "HiDreamImagePipeline": Trial(hi_dream, {**sized(), "max_sequence_length": 32}),
    "HunyuanImagePipeline": Trial(hunyuan_image, sized(), guidance=None, first_steps=4),
    "LuminaPipeline": Trial(lumina, {**sized(), "clean_caption": False}),
    "Lumina2Pipeline": Trial(lumina_2, sized(), schedulers=FLOW_SCHEDULERS),
    "OmniGenPipeline": Trial(omni_gen, sized()),
    "OvisImagePipeline": Trial(ovis, SHORT),
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
    "ZImagePipeline": Trial(lambda: z_image(ZImagePipeline), SHORT),
    "ZImageImg2ImgPipeline": Trial(lambda: z_image(ZImageImg2ImgPipeline), {**SHORT, **START}),
    "ZImageInpaintPipeline": Trial(
        lambda: z_image(ZImageInpaintPipeline), {**SHORT, **START, "mask_image": mask()}
    ),
}
