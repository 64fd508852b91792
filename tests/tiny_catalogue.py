"""Four tiny models, one of each of four kinds, and the catalogue that names them."""

from pathlib import Path

from tests.tiny_models import save_captioner, save_classifier, save_segmenter, save_stable_diffusion

_CATALOGUE = """
[models.tiny-diffusion]
family = "stable-diffusion"
source = {{ folder = "{folder}/diffusion" }}
defaults = {{ width = 32, height = 32, num_inference_steps = 4, guidance_scale = 2.0 }}
schedulers = ["EulerDiscreteScheduler"]

[models.tiny-captioner]
family = "vision-encoder-decoder"
source = {{ folder = "{folder}/captioner" }}
defaults = {{ max_new_tokens = 6 }}

[models.tiny-classifier]
family = "torchvision-classifier"
source = {{ folder = "{folder}/classifier" }}

[models.tiny-segmenter]
family = "torchvision-segmenter"
source = {{ folder = "{folder}/segmenter" }}
"""
NAMES = "tiny-diffusion,tiny-captioner,tiny-classifier,tiny-segmenter"


def save_catalogue(folder: Path) -> Path:
    """Four tiny models, one of each kind, and the catalogue that names them."""
    save_stable_diffusion(folder / "diffusion")
    save_captioner(folder / "captioner")
    save_classifier(folder / "classifier")
    save_segmenter(folder / "segmenter")
    file = folder / "catalogue.toml"
    file.write_text(_CATALOGUE.format(folder=folder))
    return file
