"""A Stable Diffusion with a safety checker that objects to some of its pictures."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor

from tests.tiny_models import stable_diffusion

SIDE = 32


def save(folder: Path) -> Path:
    checked_stable_diffusion().save_pretrained(folder)
    return folder


def checked_stable_diffusion() -> StableDiffusionPipeline:
    known = dict(stable_diffusion().components)
    known |= {
        "safety_checker": safety_checker(),
        "feature_extractor": CLIPImageProcessor(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
    }
    return StableDiffusionPipeline(**known)


def safety_checker() -> StableDiffusionSafetyChecker:
    torch.manual_seed(0)
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 8,
    }
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=8))
    with torch.no_grad():
        checker.concept_embeds.copy_(torch.randn(17, 8))
        checker.special_care_embeds.copy_(torch.randn(3, 8))
        # About half of the pictures are more alike to this concept than that.
        checker.concept_embeds_weights[12] = -0.06
    return checker
