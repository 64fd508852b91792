"""Tiny models of every family, and one catalogue that names all of them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests import tiny_videos
from tests.checkpoints import (
    adapters,
    captioners,
    classifiers,
    controlnets,
    editors,
    generators,
    lora,
    preprocessors,
    segmenters,
    swin2sr,
    upscaler,
)
from tests.checkpoints.inpainter import inpainter
from tests.checkpoints.painters import BUILDERS, save_all
from tests.pipelines import served
from tests.tiny_models import save_captioner

# From the name of a model, which is served as `tiny-NAME`, to its family and to what writes its checkpoint.
Saved = Mapping[str, tuple[str, Callable[[Path], Any]]]
SHUFFLENET = "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"
LRASPP = "LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1"
CAPTIONERS: Saved = {
    "blip": ("blip", captioners.save_blip),
    "git": ("git", captioners.save_git),
    "florence": ("florence-2", captioners.save_florence),
    "smolvlm": ("image-text-to-text", captioners.save_smolvlm),
    "qwen": ("image-text-to-text", captioners.save_qwen),
    "vit-gpt2": ("vision-encoder-decoder", save_captioner),
}
CLASSIFIERS: Saved = {
    "vit": ("image-classifier", classifiers.save_vit),
    "resnet": ("image-classifier", classifiers.save_resnet),
    "clip": ("clip", classifiers.save_clip),
    "siglip": ("siglip", classifiers.save_siglip),
    "shufflenet": (
        "torchvision-classifier",
        partial(
            classifiers.save_torchvision,
            model="shufflenet_v2_x0_5",
            weights=SHUFFLENET,
            num_classes=1000,
        ),
    ),
}
SEGMENTERS: Saved = {
    "segformer": ("semantic-segmenter", segmenters.save_segformer),
    "mask2former": ("universal-segmenter", segmenters.save_mask2former),
    "oneformer": ("oneformer", segmenters.save_oneformer),
    "sam2": ("sam-2", segmenters.save_sam2),
    "lraspp": (
        "torchvision-segmenter",
        partial(
            classifiers.save_torchvision,
            model="lraspp_mobilenet_v3_large",
            weights=LRASPP,
            num_classes=21,
            weights_backbone=None,
        ),
    ),
}
PREPROCESSORS: Saved = {
    "depth-anything": ("depth-estimator", preprocessors.save_depth_anything),
    "vitpose": ("pose-estimator", preprocessors.save_vitpose),
}
ADAPTERS = ("pixel", "ink.v2")
_ENTRY = """
[models.tiny-{name}]
family = "{family}"
source = {{ folder = "{folder}" }}
"""

_INPAINTER = """
[models.inpainter]
family = "stable-diffusion"
source = {{ folder = "{folder}/inpainter" }}
kinds = ["inpainting"]
defaults = {{ width = 32, height = 32, num_inference_steps = 4, guidance_scale = 2.0 }}
"""
_ADD_ONS = """
[controlnets.{family}-edges]
family = "{family}"
source = {{ folder = "{folder}/{family}-edges" }}

[loras."{family}.pixel"]
family = "{family}"
source = {{ folder = "{folder}/{family}.pixel" }}

[loras."{family}.ink.v2"]
family = "{family}"
source = {{ folder = "{folder}/{family}.ink.v2" }}
"""
_CONDITIONING = """
[ip_adapters.look]
family = "stable-diffusion"
source = {{ folder = "{folder}/look" }}

[ip_adapters.style]
family = "stable-diffusion"
source = {{ folder = "{folder}/style" }}
image_encoder = "image_encoder"

[textual_inversions.toy]
family = "stable-diffusion"
source = {{ folder = "{folder}/toy" }}
token = "<toy>"
"""
_UPSCALERS = """
[models.twice]
family = "swin2sr"
source = {{ folder = "{folder}/twice" }}

[models.four-times]
family = "swin2sr"
source = {{ folder = "{folder}/four-times" }}

[models.denoised]
family = "stable-diffusion-upscale"
source = {{ folder = "{folder}/denoised" }}
defaults = {{ num_inference_steps = 3, guidance_scale = 2.0, noise_level = 20 }}
limits = {{ max_side = 128 }}
"""


def save_every_model(folder: Path) -> Path:
    """Save a folder for each sort of models; the catalogue that names all of them."""
    entries = [
        _saved(folder / "captions", CAPTIONERS),
        _saved(folder / "classes", CLASSIFIERS),
        _saved(folder / "segments", SEGMENTERS),
        generators.save_all(folder / "generators"),
        _painters(folder / "painters"),
        _upscalers(folder / "upscalers"),
        editors.save_all(folder / "editors"),
        _saved(folder / "preprocessors", PREPROCESSORS),
        tiny_videos.save_served(folder / "videos"),
        served.save_quick(folder / "bench"),
    ]
    file = folder / "catalogue.toml"
    file.write_text("".join(entries))
    return file


def _saved(folder: Path, models: Saved) -> str:
    for name, (_, save) in models.items():
        save(folder / name)
    return "".join(
        _ENTRY.format(name=name, family=family, folder=folder / name) for name, (family, _) in models.items()
    )


def _painters(folder: Path) -> str:
    """Models that begin with pictures, and for each a ControlNet and two LoRA adapters."""
    entries = save_all(folder, "text-to-image", "image-to-image", "inpainting").read_text()
    inpainter().save_pretrained(folder / "inpainter")
    entries += _INPAINTER.format(folder=folder)
    for family, build in BUILDERS.items():
        controlnets.save(folder / f"{family}-edges", family)
        for seed, adapter in enumerate(ADAPTERS):
            # The first of them changes the text encoders too.
            lora.save(folder / f"{family}.{adapter}", build(), seed=seed + 1, text=not seed)
        entries += _ADD_ONS.format(family=family, folder=folder)
    for seed, adapter in enumerate(("look", "style")):
        adapters.save_ip_adapter(folder / adapter, BUILDERS["stable-diffusion"]().unet, seed + 1)
    adapters.save_textual_inversion(folder / "toy", {"emb_params": 2})
    return entries + _CONDITIONING.format(folder=folder)


def _upscalers(folder: Path) -> str:
    swin2sr.save(folder / "twice")
    swin2sr.save(folder / "four-times", upscale=4, upsampler="nearest+conv")
    upscaler.save(folder / "denoised")
    return _UPSCALERS.format(folder=folder)
