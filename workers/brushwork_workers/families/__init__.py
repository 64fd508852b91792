"""What loads the models of each family. A family's libraries are imported when its first model is loaded."""

from importlib import import_module

from brushwork_workers.interface import Loaded, Loader, Place

_MODULES = {
    "stable-diffusion": "diffusion.loading",
    "stable-diffusion-xl": "diffusion.loading",
    "stable-diffusion-3": "diffusion.loading",
    "flux": "diffusion.loading",
    "pixart-sigma": "diffusion.loading",
    "sana": "diffusion.loading",
    "qwen-image": "diffusion.loading",
    "stable-diffusion-upscale": "upscaling.diffusion_upscaler",
    "swin2sr": "upscaling.swin2sr",
    "vision-encoder-decoder": "captions.encoder_decoder",
    "blip": "captions.blip",
    "git": "captions.git",
    "florence-2": "captions.florence",
    "image-text-to-text": "captions.chat",
    "image-classifier": "classes.transformers_classifier",
    "clip": "classes.zero_shot",
    "siglip": "classes.zero_shot",
    "torchvision-classifier": "classes.torchvision_classifier",
    "trained-classifier": "classes.trained_classifier",
    "semantic-segmenter": "segments.semantic",
    "universal-segmenter": "segments.universal",
    "oneformer": "segments.universal",
    "sam-2": "segments.sam2",
    "torchvision-segmenter": "segments.torchvision_segmenter",
    "classifier-training": "training.classifier_training",
}


def _lazily(module: str) -> Loader:
    def load(place: Place) -> Loaded:
        loaded: Loaded = import_module(f"{__name__}.{module}").load(place)
        return loaded

    return load


LOADERS: dict[str, Loader] = {family: _lazily(module) for family, module in _MODULES.items()}
