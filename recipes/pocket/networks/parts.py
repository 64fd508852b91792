"""The parts of the text-to-image pipeline, and the pipeline around them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.training.device import device, on_device


@dataclass
class Parts:
    """The frozen parts that a denoiser is trained with."""

    vae: AutoencoderTiny
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast

    @classmethod
    def load(cls, folder: Path) -> "Parts":
        """Load the autoencoder, the text encoder and its tokenizer."""
        vae = AutoencoderTiny.from_pretrained(folder / "vae").eval()
        text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
        return cls(on_device(vae), text_encoder.to(device()), tokenizer)

    def pipeline(self, unet: UNet2DConditionModel) -> StableDiffusionPipeline:
        """Return the standard pipeline with a denoiser."""
        components: dict[str, Any] = {
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": unet,
            "scheduler": build_scheduler(),
        }
        components |= dict.fromkeys(["safety_checker", "feature_extractor", "image_encoder"])
        pipeline = StableDiffusionPipeline(**components, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline
