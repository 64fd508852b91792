"""Load a pipeline of diffusers, and make a handler for each kind that it serves."""

import json
from collections.abc import Callable
from typing import Any

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from diffusers import DiffusionPipeline
from transformers import PreTrainedModel

from brushwork_workers.device.module_building import module_building
from brushwork_workers.device.module_offload import ModuleOffload
from brushwork_workers.families.diffusion.conditioning.conditioning import Conditioning
from brushwork_workers.families.diffusion.controlnets import ControlNets
from brushwork_workers.families.diffusion.generation import Generation
from brushwork_workers.families.diffusion.handlers.image_editing import ImageEditing
from brushwork_workers.families.diffusion.handlers.image_to_image import ImageToImage
from brushwork_workers.families.diffusion.handlers.inpainting import Inpainting
from brushwork_workers.families.diffusion.handlers.text_to_image import TextToImage
from brushwork_workers.families.diffusion.latent_colours import LatentColours
from brushwork_workers.families.diffusion.loras import Loras
from brushwork_workers.families.diffusion.pipelines import Pipelines
from brushwork_workers.families.diffusion.video.handlers import ImageToVideo, TextToVideo
from brushwork_workers.families.engine_modules import modules_of_pipeline
from brushwork_workers.interface import Handler, LoadedModules, LoadSpec
from brushwork_workers.models.checkpoints.modules import own_modules
from brushwork_workers.models.description.deprecated_pipelines import find_deprecated_modules

_HANDLERS: dict[str, Callable[[LoadSpec, Generation], Handler]] = {
    "text-to-image": lambda spec, generation: TextToImage(spec.model, generation),
    "image-to-image": lambda spec, generation: ImageToImage(spec.model, generation),
    "image-editing": lambda spec, generation: ImageEditing(spec.model, generation),
    "inpainting": lambda spec, generation: Inpainting(spec.model, generation),
    "text-to-video": lambda spec, generation: TextToVideo(spec.model, generation),
    "image-to-video": lambda spec, generation: ImageToVideo(spec.model, generation),
}


def load(spec: LoadSpec) -> LoadedModules:
    """Load the pipeline and return a handler for each of `spec.kinds` that it supports."""
    pipeline = read(spec)
    pipelines = Pipelines(pipeline, spec.model.family, spec.model_executor, spec.options)
    _check_kinds(pipeline, spec)
    is_described = spec.model.family_spec.is_described
    autoencoder = _autoencoder(pipeline)
    colours = LatentColours.fitted(autoencoder, of_decoder=is_described)
    if autoencoder is None and is_described:
        colours = LatentColours.of_pixels(spec.device)
    generation = Generation(
        pipelines,
        Loras(pipeline, spec),
        ControlNets(pipeline, spec),
        Conditioning(pipeline, spec),
        colours,
        model=spec.model,
    )
    handlers = {kind: make(spec, generation) for kind, make in _HANDLERS.items() if kind in spec.kinds}
    if _is_offloaded(spec):
        ModuleOffload(spec.device).add(pipelines.modules)
    return LoadedModules(handlers, pipelines.modules, modules_of_pipeline(pipeline))


def _autoencoder(pipeline: Any) -> Any:
    """Return the component that decodes pictures: `vae`, or another name in older pipelines."""
    names = ("vae", "movq", "vqvae", "vqgan")
    found = (pipeline.components.get(name) for name in names)
    return next((component for component in found if component is not None), None)


def _is_offloaded(spec: LoadSpec) -> bool:
    return spec.model.placement == "model_offload"


def _check_kinds(pipeline: Any, spec: LoadSpec) -> None:
    """Check that the denoiser supports the kinds of the catalogue entry."""
    if spec.model.family_spec.is_described:
        return
    unet = pipeline.components.get("unet")
    # The denoiser of an inpainting model also takes the mask and the latents of the unmasked part.
    is_inpainter = unet is not None and unet.config.in_channels > pipeline.vae.config.latent_channels
    if is_inpainter and set(spec.kinds) - {"inpainting"}:
        raise ModelUnavailable(
            said(
                "Model {model} is an inpainting model and does not support other kinds.",
                model=spec.model.name,
            ),
            field="kinds",
            hint='Set kinds = ["inpainting"] in its catalogue entry.',
        )


@module_building()
def read(spec: LoadSpec) -> Any:
    """Load the pipeline in the folder onto the device, from safetensors files and without remote code."""
    find_deprecated_modules()
    pipeline = DiffusionPipeline.from_pretrained(
        spec.folder,
        dtype=spec.dtype,
        variant=spec.model.source.variant,
        use_safetensors=True,
        local_files_only=True,
        **_skipped_components(spec) | own_modules(spec.model, spec.folder, spec.dtype),
    ).to("cpu" if _is_offloaded(spec) else spec.device)
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, PreTrainedModel):
            # The cache speeds up the generation of text, which these encoders do not do. It also cannot be
            # divided into rows.
            component.config.get_text_config().use_cache = False
    return pipeline


def _skipped_components(spec: LoadSpec) -> dict[str, Any]:
    """Return the components that are not loaded, as arguments of `from_pretrained`."""
    index = json.loads((spec.folder / "model_index.json").read_text("utf-8"))
    # For example the third text encoder of Stable Diffusion 3, which many repositories leave out.
    skipped: dict[str, Any] = {name: None for name, of in index.items() if of == [None, None]}
    if "safety_checker" in index and not _has_safety_checker(spec.model, index):
        skipped |= {"safety_checker": None, "requires_safety_checker": False}
    return skipped


def _has_safety_checker(model: Model, index: dict[str, Any]) -> bool:
    return model.safety_checker and index["safety_checker"] != [None, None]
