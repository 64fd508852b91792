"""Pipelines without text, or without latents: DDPM, DiT, DeepFloyd IF, latent diffusion, tiny."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    IFImg2ImgPipeline,
    IFInpaintingPipeline,
    IFPipeline,
    LDMSuperResolutionPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)

from tests.pipelines.parts import WIDTH, autoencoder, t5, words
from tests.pipelines.trial import Trial, mask, picture


def plain_unet(**options: Any) -> UNet2DModel:
    torch.manual_seed(0)
    return UNet2DModel(
        **{
            "sample_size": 16,
            "block_out_channels": (32, 64),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
            "norm_num_groups": 8,
            **options,
        }
    )


def deep_floyd(kind: type[Any]) -> Any:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=32,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        in_channels=3,
        out_channels=6,
        cross_attention_dim=WIDTH,
        encoder_hid_dim=WIDTH,
        attention_head_dim=8,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift",
        act_fn="gelu",
        norm_num_groups=8,
    )
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.0,
        prediction_type="epsilon",
        variance_type="learned_range",
    )
    return kind(
        tokenizer=words(length=77),
        text_encoder=t5(),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


def dit() -> Any:
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        sample_size=16,
        num_layers=2,
        patch_size=4,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        attention_bias=True,
        norm_type="ada_norm_zero",
        norm_elementwise_affine=False,
    )
    return DiTPipeline(transformer=transformer, vae=autoencoder(), scheduler=DDIMScheduler())


def super_resolution() -> Any:
    torch.manual_seed(0)
    quantised = VQModel(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=3,
    )
    return LDMSuperResolutionPipeline(
        vqvae=quantised, unet=plain_unet(in_channels=6), scheduler=DDIMScheduler()
    )


CLEAN = {"clean_caption": False}
IF_START = {"image": picture(), "strength": 0.8, **CLEAN}
TRIALS = {
    "DDPMPipeline": Trial(lambda: DDPMPipeline(plain_unet(), DDPMScheduler()), prompt=None, guidance=None),
    "DDIMPipeline": Trial(
        lambda: DDIMPipeline(plain_unet(), DDIMScheduler()),
        {"eta": lambda index: (0.0, 1.0)[index % 2]},
        prompt=None,
        guidance=None,
    ),
    "ConsistencyModelPipeline": Trial(
        lambda: ConsistencyModelPipeline(plain_unet(num_class_embeds=10), CMStochasticIterativeScheduler()),
        prompt=None,
        guidance=None,
    ),
    "DiTPipeline": Trial(dit, {"class_labels": lambda index: [index]}, prompt=None),
    "IFPipeline": Trial(lambda: deep_floyd(IFPipeline), CLEAN),
    "IFImg2ImgPipeline": Trial(lambda: deep_floyd(IFImg2ImgPipeline), IF_START),
    "IFInpaintingPipeline": Trial(
        lambda: deep_floyd(IFInpaintingPipeline), {**IF_START, "mask_image": mask()}
    ),
    "LDMSuperResolutionPipeline": Trial(super_resolution, {"image": picture()}, prompt=None, guidance=None),
}
