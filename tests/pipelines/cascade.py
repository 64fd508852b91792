"""Stable Cascade and Wuerstchen, tiny: a prior, a decoder, and both together."""

# diffusers declares few of its types.
# mypy: disable-error-code="attr-defined,no-any-return,no-untyped-call,arg-type"

from typing import Any

import torch
from diffusers import (
    DDPMWuerstchenScheduler,
    StableCascadeCombinedPipeline,
    StableCascadeDecoderPipeline,
    StableCascadePriorPipeline,
    StableCascadeUNet,
    WuerstchenCombinedPipeline,
    WuerstchenDecoderPipeline,
    WuerstchenPriorPipeline,
)
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenDiffNeXt, WuerstchenPrior
from transformers import CLIPTextModel

from tests.pipelines.parts import WIDTH, clip_with_projection
from tests.pipelines.trial import Trial, noise
from tests.tiny_models import clip_config, clip_tokenizer


def pictures() -> PaellaVQModel:
    torch.manual_seed(0)
    return PaellaVQModel(bottleneck_blocks=1, embed_dim=16, num_vq_embeddings=32, latent_channels=4, levels=2)


def prior() -> StableCascadeUNet:
    torch.manual_seed(0)
    return StableCascadeUNet(
        conditioning_dim=64,
        block_out_channels=(64,),
        num_attention_heads=(4,),
        down_num_layers_per_block=(1,),
        up_num_layers_per_block=(1,),
        down_blocks_repeat_mappers=(1,),
        up_blocks_repeat_mappers=(1,),
        block_types_per_layer=(("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),),
        switch_level=(False,),
        clip_text_in_channels=WIDTH,
        clip_text_pooled_in_channels=WIDTH,
        clip_image_in_channels=WIDTH,
        dropout=(0.1,),
    )


def decoder() -> StableCascadeUNet:
    torch.manual_seed(0)
    return StableCascadeUNet(
        in_channels=4,
        out_channels=4,
        conditioning_dim=64,
        block_out_channels=(32, 64),
        num_attention_heads=(-1, 4),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        down_blocks_repeat_mappers=(1, 1),
        up_blocks_repeat_mappers=(1, 1),
        block_types_per_layer=(
            ("SDCascadeResBlock", "SDCascadeTimestepBlock"),
            ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),
        ),
        clip_text_pooled_in_channels=WIDTH,
        effnet_in_channels=16,
        patch_size=2,
        timestep_conditioning_type=("sca",),
        dropout=(0.1, 0.1),
    )


def text(name: str = "") -> dict[str, Any]:
    return {f"{name}text_encoder": clip_with_projection(), f"{name}tokenizer": clip_tokenizer()}


def plain_text(name: str = "") -> dict[str, Any]:
    torch.manual_seed(0)
    return {f"{name}text_encoder": CLIPTextModel(clip_config()), f"{name}tokenizer": clip_tokenizer()}


def cascade_combined() -> Any:
    return StableCascadeCombinedPipeline(
        decoder=decoder(),
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=pictures(),
        prior_prior=prior(),
        prior_scheduler=DDPMWuerstchenScheduler(),
        prior_feature_extractor=None,
        prior_image_encoder=None,
        **text(),
        **text("prior_"),
    )


def wuerstchen_prior() -> WuerstchenPrior:
    torch.manual_seed(0)
    return WuerstchenPrior(c_in=2, c=8, depth=2, c_cond=32, c_r=8, nhead=2)


def wuerstchen_decoder() -> WuerstchenDiffNeXt:
    torch.manual_seed(0)
    return WuerstchenDiffNeXt(
        c_cond=32,
        c_hidden=[32],
        nhead=[2],
        blocks=[1],
        level_config=["CTA"],
        inject_effnet=[True],
        effnet_embd=2,
        clip_embd=32,
    )


def wuerstchen_combined() -> Any:
    return WuerstchenCombinedPipeline(
        decoder=wuerstchen_decoder(),
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=pictures(),
        prior_prior=wuerstchen_prior(),
        prior_scheduler=DDPMWuerstchenScheduler(),
        **plain_text(),
        **plain_text("prior_"),
    )


BOTH = {
    "prior_num_inference_steps": lambda index: 2 + index % 3,
    "prior_guidance_scale": lambda index: (2.0, 4.0)[index % 2],
    "width": 128,
    "height": 128,
}
TRIALS = {
    "StableCascadePriorPipeline": Trial(
        lambda: StableCascadePriorPipeline(
            prior=prior(), scheduler=DDPMWuerstchenScheduler(), **text(), resolution_multiple=42.67
        ),
        {"width": 256, "height": 256},
    ),
    "StableCascadeDecoderPipeline": Trial(
        lambda: StableCascadeDecoderPipeline(
            decoder=decoder(), scheduler=DDPMWuerstchenScheduler(), vqgan=pictures(), **text()
        ),
        {"image_embeddings": noise(1, 16, 3, 3)},
    ),
    "StableCascadeCombinedPipeline": Trial(cascade_combined, BOTH, guidance="decoder_guidance_scale"),
    "WuerstchenPriorPipeline": Trial(
        lambda: WuerstchenPriorPipeline(
            prior=wuerstchen_prior(), scheduler=DDPMWuerstchenScheduler(), **plain_text()
        ),
        {"width": 256, "height": 256},
    ),
    "WuerstchenDecoderPipeline": Trial(
        lambda: WuerstchenDecoderPipeline(
            decoder=wuerstchen_decoder(),
            scheduler=DDPMWuerstchenScheduler(),
            vqgan=pictures(),
            **plain_text(),
        ),
        {"image_embeddings": noise(1, 2, 3, 3)},
    ),
    "WuerstchenCombinedPipeline": Trial(wuerstchen_combined, BOTH, guidance="decoder_guidance_scale"),
}
