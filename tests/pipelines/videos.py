"""Pipelines of videos, tiny."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AnimateDiffVideoToVideoPipeline,
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    CogVideoXVideoToVideoPipeline,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LattePipeline,
    LatteTransformer3DModel,
    LTXConditionPipeline,
    LTXImageToVideoPipeline,
    LTXLatentUpsamplePipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MotionAdapter,
    StableVideoDiffusionPipeline,
    TextToVideoSDPipeline,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
    VideoToVideoSDPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVideoToVideoPipeline,
)
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from PIL import Image
from transformers import CLIPImageProcessor

from tests.pipelines.parts import WIDTH, autoencoder, clip_vision, t5, unet, words
from tests.pipelines.stable_diffusion import ddim, text_parts
from tests.pipelines.trial import Trial, picture, sized


def seeded(kind: type[Any], **options: Any) -> Any:
    torch.manual_seed(0)
    return kind(**options)


def video(number: int, side: int = 32) -> Callable[[int], list[Image.Image]]:
    """Return a function that returns a video for each job."""
    drawn = picture(side)
    return lambda index: [drawn(index + frame) for frame in range(number)]


def ltx_autoencoder(**options: Any) -> AutoencoderKLLTXVideo:
    return seeded(
        AutoencoderKLLTXVideo,
        in_channels=3,
        out_channels=3,
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=options.pop("inject", (False,) * 5),
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
        **options,
    )


def ltx(kind: type[Any], **options: Any) -> Any:
    transformer = seeded(
        LTXVideoTransformer3DModel,
        in_channels=8,
        out_channels=8,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=WIDTH,
    )
    return kind(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=ltx_autoencoder(**options),
        text_encoder=t5(),
        tokenizer=words(),
        transformer=transformer,
    )


def ltx_upsampler() -> Any:
    upsampler = seeded(LTXLatentUpsamplerModel, in_channels=8, mid_channels=32, num_blocks_per_stage=1)
    return LTXLatentUpsamplePipeline(vae=ltx_autoencoder(), latent_upsampler=upsampler)


def wan(kind: type[Any]) -> Any:
    vae = seeded(
        AutoencoderKLWan,
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    transformer = seeded(
        WanTransformer3DModel,
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=WIDTH,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    return kind(
        tokenizer=words(),
        text_encoder=t5(),
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=transformer,
    )


def cog(kind: type[Any], channels: int = 4) -> Any:
    vae = seeded(
        AutoencoderKLCogVideoX,
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    transformer = seeded(
        CogVideoXTransformer3DModel,
        num_attention_heads=4,
        attention_head_dim=8,
        in_channels=channels,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=WIDTH,
        num_layers=1,
        sample_width=2,
        sample_height=2,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=16,
    )
    return kind(
        tokenizer=words(),
        text_encoder=t5(),
        vae=vae,
        transformer=transformer,
        scheduler=CogVideoXDDIMScheduler(),
    )


def text_to_video(kind: type[Any]) -> Any:
    denoiser = seeded(
        UNet3DConditionModel,
        block_out_channels=(8, 8),
        layers_per_block=1,
        sample_size=16,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=2,
    )
    return kind(vae=autoencoder(), unet=denoiser, scheduler=ddim(), **text_parts())


def animate(kind: type[Any]) -> Any:
    adapter = seeded(
        MotionAdapter,
        block_out_channels=(32, 64),
        motion_layers_per_block=1,
        motion_norm_num_groups=2,
        motion_num_attention_heads=4,
    )
    return kind(
        vae=autoencoder(),
        unet=unet(),
        motion_adapter=adapter,
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False, steps_offset=1),
        **text_parts(),
    )


def latte() -> Any:
    transformer = seeded(
        LatteTransformer3DModel,
        sample_size=16,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=WIDTH,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
    )
    return LattePipeline(
        tokenizer=words(), text_encoder=t5(), vae=autoencoder(), transformer=transformer, scheduler=ddim()
    )


def stable_video() -> Any:
    denoiser = seeded(
        UNetSpatioTemporalConditionModel,
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=16,
        in_channels=8,
        out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=WIDTH,
        num_attention_heads=8,
        projection_class_embeddings_input_dim=96,
        addition_time_embed_dim=32,
    )
    vae = seeded(
        AutoencoderKLTemporalDecoder,
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        latent_channels=4,
    )
    return StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=clip_vision(image_size=224, patch_size=56),
        unet=denoiser,
        scheduler=EulerDiscreteScheduler(prediction_type="v_prediction", timestep_type="continuous"),
        feature_extractor=CLIPImageProcessor(),
    )


FRAMES = {"num_frames": 9, "max_sequence_length": 16, **sized()}
FEW = {"num_frames": 4, **sized()}
UNETS = (None, "EulerDiscreteScheduler", "DPMSolverMultistepScheduler")
TRIALS = {
    "LTXPipeline": Trial(lambda: ltx(LTXPipeline), FRAMES),
    "LTXImageToVideoPipeline": Trial(lambda: ltx(LTXImageToVideoPipeline), {"image": picture(), **FRAMES}),
    # Its decoder draws noise without a generator.
    "LTXConditionPipeline": Trial(
        lambda: ltx(LTXConditionPipeline, timestep_conditioning=True, inject=(True,) * 5),
        {"image": picture(), **FRAMES},
    ),
    "LTXLatentUpsamplePipeline": Trial(
        ltx_upsampler, {"video": video(9), **sized()}, steps=None, guidance=None, prompt=None
    ),
    "WanPipeline": Trial(lambda: wan(WanPipeline), FRAMES),
    "WanVideoToVideoPipeline": Trial(
        lambda: wan(WanVideoToVideoPipeline),
        {"video": video(9), "strength": 0.8, "max_sequence_length": 16, **sized()},
    ),
    "CogVideoXPipeline": Trial(lambda: cog(CogVideoXPipeline), {**FRAMES, **sized(16)}),
    "CogVideoXImageToVideoPipeline": Trial(
        lambda: cog(CogVideoXImageToVideoPipeline, 8), {"image": picture(16), **FRAMES, **sized(16)}
    ),
    "CogVideoXVideoToVideoPipeline": Trial(
        lambda: cog(CogVideoXVideoToVideoPipeline),
        {"video": video(9, 16), "strength": 0.8, "max_sequence_length": 16, **sized(16)},
    ),
    "TextToVideoSDPipeline": Trial(lambda: text_to_video(TextToVideoSDPipeline), FEW, schedulers=UNETS),
    "VideoToVideoSDPipeline": Trial(
        lambda: text_to_video(VideoToVideoSDPipeline), {"video": video(4), "strength": 0.8}
    ),
    "AnimateDiffPipeline": Trial(lambda: animate(AnimateDiffPipeline), FEW, schedulers=UNETS),
    "AnimateDiffVideoToVideoPipeline": Trial(
        lambda: animate(AnimateDiffVideoToVideoPipeline), {"video": video(4), "strength": 0.8, **sized()}
    ),
    "LattePipeline": Trial(latte, {"video_length": 16, "clean_caption": False, **sized()}),
    "StableVideoDiffusionPipeline": Trial(
        stable_video,
        {"image": picture(), "num_frames": 2, "fps": 7, **sized()},
        guidance="max_guidance_scale",
        prompt=None,
    ),
}
