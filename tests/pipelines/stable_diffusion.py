"""Pipelines with the UNets of Stable Diffusion and Stable Diffusion XL, tiny."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    EulerDiscreteScheduler,
    LatentConsistencyModelImg2ImgPipeline,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    MarigoldDepthPipeline,
    MarigoldNormalsPipeline,
    PriorTransformer,
    StableDiffusion3PAGImg2ImgPipeline,
    StableDiffusion3PAGPipeline,
    StableDiffusionImageVariationPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionLatentUpscalePipeline,
    StableDiffusionPAGImg2ImgPipeline,
    StableDiffusionPAGInpaintPipeline,
    StableDiffusionPAGPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    StableDiffusionXLPAGImg2ImgPipeline,
    StableDiffusionXLPAGInpaintPipeline,
    StableDiffusionXLPAGPipeline,
    StableUnCLIPImg2ImgPipeline,
    StableUnCLIPPipeline,
)
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from transformers import CLIPTextModel

from tests.pipelines.parts import (
    WIDTH,
    autoencoder,
    clip_pictures,
    clip_vision,
    clip_with_projection,
    unet,
)
from tests.pipelines.trial import SCHEDULERS, Trial, mask, picture, sized
from tests.tiny_models import clip_config, clip_tokenizer
from tests.tiny_pipelines import stable_diffusion_3, stable_diffusion_xl

UNCHECKED = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
WITH_MIDDLE = {"pag_applied_layers": ["mid"]}


def ddim(**options: Any) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
        **options,
    )


def text_parts() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"text_encoder": CLIPTextModel(clip_config()), "tokenizer": clip_tokenizer()}


def plain(kind: type[Any], scheduler: Any = None, channels: int = 4, **options: Any) -> Any:
    scheduler = ddim() if scheduler is None else scheduler
    return kind(
        vae=autoencoder(),
        unet=unet(in_channels=channels, **options.pop("of_unet", {})),
        scheduler=scheduler,
        **{**text_parts(), **UNCHECKED, **options},
    )


def consistent(kind: type[Any]) -> Any:
    return plain(kind, LCMScheduler(clip_sample=False), of_unet={"time_cond_proj_dim": 32})


def image_variation() -> Any:
    return StableDiffusionImageVariationPipeline(
        vae=autoencoder(),
        unet=unet(),
        scheduler=ddim(),
        image_encoder=clip_vision(),
        **{**UNCHECKED, "feature_extractor": clip_pictures()},
    )


def latent_upscale() -> Any:
    torch.manual_seed(0)
    return StableDiffusionLatentUpscalePipeline(
        vae=autoencoder(4),
        unet=unet(
            in_channels=8,
            out_channels=5,
            time_embedding_type="fourier",
            timestep_post_act="gelu",
            conv_in_kernel=1,
            conv_out_kernel=1,
            time_cond_proj_dim=160,
            act_fn="gelu",
            norm_num_groups=None,
            block_out_channels=(32, 32, 64, 64),
            down_block_types=("KDownBlock2D", *("KCrossAttnDownBlock2D",) * 3),
            mid_block_type=None,
            up_block_types=(*("KCrossAttnUpBlock2D",) * 3, "KUpBlock2D"),
            resnet_time_scale_shift="scale_shift",
            only_cross_attention=False,
            attention_head_dim=8,
        ),
        scheduler=EulerDiscreteScheduler(prediction_type="sample"),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
    )


def marigold(kind: type[Any]) -> Any:
    return kind(
        vae=autoencoder(),
        unet=unet(in_channels=8),
        scheduler=ddim(),
        default_denoising_steps=2,
        default_processing_resolution=0,
        **text_parts(),
    )


def unclip_parts() -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "image_normalizer": StableUnCLIPImageNormalizer(embedding_dim=WIDTH),
        "image_noising_scheduler": DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        "unet": unet(class_embed_type="projection", projection_class_embeddings_input_dim=2 * WIDTH),
        "scheduler": ddim(),
        "vae": autoencoder(),
        **text_parts(),
    }


def unclip() -> Any:
    torch.manual_seed(0)
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=12, embedding_dim=WIDTH, num_layers=1, num_embeddings=77
    )
    return StableUnCLIPPipeline(
        prior_tokenizer=clip_tokenizer(),
        prior_text_encoder=clip_with_projection(),
        prior=prior,
        prior_scheduler=DDPMScheduler(
            variance_type="fixed_small_log",
            prediction_type="sample",
            clip_sample_range=5.0,
            beta_schedule="squaredcos_cap_v2",
        ),
        **unclip_parts(),
    )


def unclip_of_pictures() -> Any:
    return StableUnCLIPImg2ImgPipeline(
        feature_extractor=clip_pictures(), image_encoder=clip_vision(), **unclip_parts()
    )


def large(kind: type[Any], channels: int = 4, **options: Any) -> Any:
    parts = dict(stable_diffusion_xl().components)
    if channels != 4:
        # What has its default value would stay as it is.
        config = {name: value for name, value in parts["unet"].config.items() if not name.startswith("_")}
        torch.manual_seed(0)
        parts["unet"] = type(parts["unet"])(**{**config, "in_channels": channels})
    parts.pop("image_encoder", None)
    parts.pop("feature_extractor", None)
    return kind(**parts, **options)


def third(kind: type[Any]) -> Any:
    parts = dict(stable_diffusion_3().components)
    parts.pop("image_encoder", None)
    parts.pop("feature_extractor", None)
    return kind(**parts, pag_applied_layers=["blocks.1"])


EDIT = {"image": picture(), "image_guidance_scale": lambda index: (1.0, 1.5)[index % 2]}
START = {"image": picture(), "strength": 0.8}
INPAINT = {"image": picture(), "mask_image": mask(), "strength": 0.9}
PAG = {"pag_scale": lambda index: (0.7, 3.0, 0.0)[index % 3]}
TRIALS = {
    "LatentConsistencyModelPipeline": Trial(lambda: consistent(LatentConsistencyModelPipeline), sized()),
    "LatentConsistencyModelImg2ImgPipeline": Trial(
        lambda: consistent(LatentConsistencyModelImg2ImgPipeline), START
    ),
    "StableDiffusionInstructPix2PixPipeline": Trial(
        lambda: plain(StableDiffusionInstructPix2PixPipeline, channels=8), EDIT, schedulers=SCHEDULERS
    ),
    "StableDiffusionXLInstructPix2PixPipeline": Trial(
        lambda: large(StableDiffusionXLInstructPix2PixPipeline, 8), {**EDIT, **sized()}, schedulers=SCHEDULERS
    ),
    "StableDiffusionPAGPipeline": Trial(
        lambda: plain(StableDiffusionPAGPipeline, **WITH_MIDDLE), {**PAG, **sized()}, schedulers=SCHEDULERS
    ),
    "StableDiffusionPAGImg2ImgPipeline": Trial(
        lambda: plain(StableDiffusionPAGImg2ImgPipeline, **WITH_MIDDLE), {**PAG, **START}
    ),
    "StableDiffusionPAGInpaintPipeline": Trial(
        lambda: plain(StableDiffusionPAGInpaintPipeline, **WITH_MIDDLE), {**PAG, **INPAINT, **sized()}
    ),
    "StableDiffusionXLPAGPipeline": Trial(
        lambda: large(StableDiffusionXLPAGPipeline, **WITH_MIDDLE), {**PAG, **sized()}
    ),
    "StableDiffusionXLPAGImg2ImgPipeline": Trial(
        lambda: large(StableDiffusionXLPAGImg2ImgPipeline, **WITH_MIDDLE), {**PAG, **START}
    ),
    "StableDiffusionXLPAGInpaintPipeline": Trial(
        lambda: large(StableDiffusionXLPAGInpaintPipeline, **WITH_MIDDLE), {**PAG, **INPAINT, **sized()}
    ),
    "StableDiffusion3PAGPipeline": Trial(lambda: third(StableDiffusion3PAGPipeline), {**PAG, **sized()}),
    "StableDiffusion3PAGImg2ImgPipeline": Trial(
        lambda: third(StableDiffusion3PAGImg2ImgPipeline), {**PAG, **START, **sized()}
    ),
    "StableDiffusionImageVariationPipeline": Trial(
        image_variation, {"image": picture(), **sized()}, prompt=None, schedulers=SCHEDULERS
    ),
    "StableDiffusionLatentUpscalePipeline": Trial(latent_upscale, {"image": picture(128)}),
    "StableUnCLIPPipeline": Trial(
        unclip, {"prior_num_inference_steps": lambda index: 2 + index % 2, **sized()}
    ),
    "StableUnCLIPImg2ImgPipeline": Trial(unclip_of_pictures, {"image": picture(), **sized()}),
    "MarigoldDepthPipeline": Trial(
        lambda: marigold(MarigoldDepthPipeline), {"image": picture()}, prompt=None, guidance=None
    ),
    "MarigoldNormalsPipeline": Trial(
        lambda: marigold(MarigoldNormalsPipeline), {"image": picture()}, prompt=None, guidance=None
    ),
}
