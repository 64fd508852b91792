"""Video pipelines of diffusers in tiny, seeded configurations, in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomlkit
import torch
from brushwork_workers.models.description.pipeline_description import describe
from brushwork_workers.models.listing import FolderListing
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXImageToVideoPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    StableVideoDiffusionPipeline,
    TextToVideoSDPipeline,
    UNet3DConditionModel,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.tiny_models import autoencoder, clip_config, clip_tokenizer
from tests.tiny_pipelines import t5_tokenizer

SIDE = 32


def animate_diff() -> Any:
    torch.manual_seed(0)
    unet = UNetMotionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=32,
        num_attention_heads=4,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"),
        motion_num_attention_heads=2,
        motion_max_seq_length=16,
    )
    return AnimateDiffPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet,
        motion_adapter=None,
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False),
    )


def text_to_video_sd() -> Any:
    torch.manual_seed(0)
    unet = UNet3DConditionModel(
        sample_size=16,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        cross_attention_dim=32,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
    )
    return TextToVideoSDPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False),
    )


def _t5() -> Any:
    return T5EncoderModel(T5Config(vocab_size=200, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4))


def _ltx(pipeline: type[Any]) -> Any:
    torch.manual_seed(0)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
    )
    vae.use_framewise_encoding = vae.use_framewise_decoding = False
    return pipeline(
        transformer=transformer,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=_t5(),
        tokenizer=t5_tokenizer(),
    )


def ltx() -> Any:
    return _ltx(LTXPipeline)


def ltx_of_picture() -> Any:
    return _ltx(LTXImageToVideoPipeline)


def _wan(**options: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    vae = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    torch.manual_seed(0)
    config = UMT5Config(vocab_size=200, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    encoder = UMT5EncoderModel(config)
    torch.manual_seed(0)
    transformer = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
        **options,
    )
    return {
        "vae": vae,
        "text_encoder": encoder,
        "tokenizer": t5_tokenizer(),
        "transformer": transformer,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def wan() -> Any:
    return WanPipeline(**_wan(in_channels=16, out_channels=16), transformer_2=None)


def wan_of_picture() -> Any:
    own = _wan(in_channels=36, out_channels=16, image_dim=4)
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=4,
        projection_dim=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        intermediate_size=16,
        patch_size=1,
    )
    encoder = CLIPVisionModelWithProjection(config)
    return WanImageToVideoPipeline(
        **own,
        image_encoder=encoder,
        image_processor=CLIPImageProcessor(crop_size=32, size=32),
        transformer_2=None,
    )


def cog_video() -> Any:
    torch.manual_seed(0)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=4,
        attention_head_dim=8,
        in_channels=4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=32,
        num_layers=1,
        sample_width=2,
        sample_height=2,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=16,
    )
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    return CogVideoXPipeline(
        transformer=transformer,
        vae=vae,
        scheduler=CogVideoXDDIMScheduler(),
        text_encoder=_t5(),
        tokenizer=t5_tokenizer(),
    )


def stable_video() -> Any:
    torch.manual_seed(0)
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=2,
        sample_size=32,
        in_channels=8,
        out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=32,
        num_attention_heads=8,
        projection_class_embeddings_input_dim=96,
        addition_time_embed_dim=32,
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        interpolation_type="linear",
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type="continuous",
        timestep_spacing="leading",
        steps_offset=1,
    )
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        latent_channels=4,
    )
    config = CLIPVisionConfig(
        hidden_size=32,
        projection_dim=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        # The pipeline itself makes pictures of this size.
        image_size=224,
        intermediate_size=37,
        patch_size=56,
    )
    return StableVideoDiffusionPipeline(
        unet=unet,
        vae=vae,
        scheduler=scheduler,
        image_encoder=CLIPVisionModelWithProjection(config),
        feature_extractor=CLIPImageProcessor(crop_size=32, size=32),
    )


TEXT: dict[str, Callable[[], Any]] = {
    "AnimateDiffPipeline": animate_diff,
    "TextToVideoSDPipeline": text_to_video_sd,
    "LTXPipeline": ltx,
    "WanPipeline": wan,
    "CogVideoXPipeline": cog_video,
}
PICTURE: dict[str, Callable[[], Any]] = {
    "LTXImageToVideoPipeline": ltx_of_picture,
    "WanImageToVideoPipeline": wan_of_picture,
    "StableVideoDiffusionPipeline": stable_video,
}

# Where the tiny components ask for another side than 32 pixels.
SIDES = {"CogVideoXPipeline": 16}

# Served by the tests: one for each of the two kinds and ways in which texts, frames and pictures are given.
SERVED = ("AnimateDiffPipeline", "LTXPipeline", "StableVideoDiffusionPipeline")


def save_served(folder: Path) -> str:
    """Save the pipelines that are served, each with the description that `models add` would write.

    Returns:
        Their catalogue entries; the model of `LTXPipeline` is called `tiny-LTXPipeline`.
    """
    entries: dict[str, Any] = {}
    for name in SERVED:
        (TEXT | PICTURE)[name]().save_pretrained(folder / name)
        described = describe(FolderListing(folder / name))
        entries[f"tiny-{name}"] = {
            "family": "diffusers",
            "source": {"folder": str(folder / name)},
            "defaults": {"width": SIDE, "height": SIDE, "num_frames": 9, "num_inference_steps": 3},
            "pipeline": described.model_dump(mode="json", exclude_defaults=True),
        }
    return f"\n{tomlkit.dumps({'models': entries})}\n"
