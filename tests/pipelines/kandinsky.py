"""Kandinsky 2.2 and its combined pipelines, tiny."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    KandinskyV22CombinedPipeline,
    KandinskyV22ControlnetImg2ImgPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgCombinedPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22InpaintCombinedPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorEmb2EmbPipeline,
    KandinskyV22PriorPipeline,
    PriorTransformer,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
)

from tests.pipelines.parts import WIDTH, clip_pictures, clip_vision, clip_with_projection
from tests.pipelines.trial import Trial, mask, noise, picture, sized
from tests.tiny_models import clip_tokenizer


def movq() -> VQModel:
    torch.manual_seed(0)
    return VQModel(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )


def decoder_unet(channels: int = 4, **options: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        **{
            "in_channels": channels,
            # The variance is learned, too.
            "out_channels": 8,
            "addition_embed_type": "image",
            "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
            "block_out_channels": (32, 64),
            "layers_per_block": 1,
            "encoder_hid_dim": WIDTH,
            "encoder_hid_dim_type": "image_proj",
            "cross_attention_dim": WIDTH,
            "attention_head_dim": 4,
            "resnet_time_scale_shift": "scale_shift",
            "class_embed_type": None,
            "norm_num_groups": 8,
            **options,
        }
    )


def ddim() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
        thresholding=False,
    )


def ddpm() -> DDPMScheduler:
    """Return the scheduler that the published decoders have. Its variance is learned."""
    return DDPMScheduler(
        beta_schedule="linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=True,
        variance_type="learned_range",
    )


def prior_parts() -> dict[str, Any]:
    torch.manual_seed(0)
    prior: Any = PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=12,
        embedding_dim=WIDTH,
        num_layers=1,
        num_embeddings=77,
        additional_embeddings=4,
    )
    # The published weights are far from zero.
    prior.clip_std = torch.nn.Parameter(torch.ones_like(prior.clip_std))
    return {
        "prior": prior,
        "image_encoder": clip_vision(),
        "text_encoder": clip_with_projection(),
        "tokenizer": clip_tokenizer(),
        "scheduler": UnCLIPScheduler(
            variance_type="fixed_small_log",
            prediction_type="sample",
            num_train_timesteps=1000,
            clip_sample_range=10.0,
        ),
        "image_processor": clip_pictures(),
    }


def combined(kind: type[Any], channels: int = 4) -> Any:
    parts = {f"prior_{name}": part for name, part in prior_parts().items()}
    return kind(unet=decoder_unet(channels), scheduler=ddpm(), movq=movq(), **parts)


def decoder(kind: type[Any], channels: int = 4, **options: Any) -> Any:
    return kind(unet=decoder_unet(channels, **options), scheduler=ddpm(), movq=movq())


EMBEDDINGS = {"image_embeds": noise(1, WIDTH), "negative_image_embeds": noise(1, WIDTH, scale=0.5)}
START = {"image": picture(), "strength": 0.8}
HINT = {"hint": noise(1, 3, 128, 128)}
INPAINT = {"image": picture(), "mask_image": mask()}
PRIOR_STEPS = {"prior_num_inference_steps": lambda index: 2 + index % 3}
CONTROL = {
    "addition_embed_type": "image_hint",
}
TRIALS = {
    "KandinskyV22Pipeline": Trial(
        lambda: decoder(KandinskyV22Pipeline), {**EMBEDDINGS, **sized()}, prompt=None
    ),
    "KandinskyV22Img2ImgPipeline": Trial(
        lambda: decoder(KandinskyV22Img2ImgPipeline), {**EMBEDDINGS, **START, **sized()}, prompt=None
    ),
    "KandinskyV22InpaintPipeline": Trial(
        lambda: decoder(KandinskyV22InpaintPipeline, 9), {**EMBEDDINGS, **INPAINT, **sized()}, prompt=None
    ),
    "KandinskyV22ControlnetPipeline": Trial(
        lambda: decoder(KandinskyV22ControlnetPipeline, 8, **CONTROL),
        {**EMBEDDINGS, **HINT, **sized()},
        prompt=None,
    ),
    "KandinskyV22ControlnetImg2ImgPipeline": Trial(
        lambda: decoder(KandinskyV22ControlnetImg2ImgPipeline, 8, **CONTROL),
        {**EMBEDDINGS, **START, **HINT, **sized()},
        prompt=None,
    ),
    "KandinskyV22PriorPipeline": Trial(lambda: KandinskyV22PriorPipeline(**prior_parts())),
    "KandinskyV22PriorEmb2EmbPipeline": Trial(
        lambda: KandinskyV22PriorEmb2EmbPipeline(**prior_parts()), {"image": picture(), "strength": 0.7}
    ),
    "KandinskyV22CombinedPipeline": Trial(
        lambda: combined(KandinskyV22CombinedPipeline), {**PRIOR_STEPS, **sized()}
    ),
    "KandinskyV22Img2ImgCombinedPipeline": Trial(
        lambda: combined(KandinskyV22Img2ImgCombinedPipeline), {**PRIOR_STEPS, **START, **sized()}
    ),
    "KandinskyV22InpaintCombinedPipeline": Trial(
        lambda: combined(KandinskyV22InpaintCombinedPipeline, 9), {**PRIOR_STEPS, **INPAINT, **sized()}
    ),
}
