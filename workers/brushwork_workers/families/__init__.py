"""What loads the models of each family. A family's libraries are imported when its first model is loaded."""

from importlib import import_module

from brushwork_workers.interface import LoadedModules, Loader, LoadSpec

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
    "image-classifier": "classification.transformers_classifier",
    "clip": "classification.zero_shot",
    "siglip": "classification.zero_shot",
    "torchvision-classifier": "classification.torchvision_classifier",
    "trained-classifier": "classification.trained_classifier",
    "semantic-segmenter": "segmentation.semantic",
    "universal-segmenter": "segmentation.universal",
    "oneformer": "segmentation.universal",
    "sam-2": "segmentation.sam2",
    "torchvision-segmenter": "segmentation.torchvision_segmenter",
    "classifier-training": "training.classifier_training",
}


def _lazily(module: str) -> Loader:
    def load(spec: LoadSpec) -> LoadedModules:
        loaded: LoadedModules = import_module(f"{__name__}.{module}").load(spec)
        return loaded

    return load


LOADERS: dict[str, Loader] = {family: _lazily(module) for family, module in _MODULES.items()}
