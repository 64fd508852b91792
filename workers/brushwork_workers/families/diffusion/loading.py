"""A diffusers pipeline from its folder, and what serves each kind with it."""

import json
from collections.abc import Callable
from typing import Any

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from diffusers import DiffusionPipeline
from transformers import PreTrainedModel

from brushwork_workers.families.diffusion.controlnets import ControlNets
from brushwork_workers.families.diffusion.generation import Generation
from brushwork_workers.families.diffusion.image_to_image import ImageToImage
from brushwork_workers.families.diffusion.inpainting import Inpainting
from brushwork_workers.families.diffusion.latent_colours import LatentColours
from brushwork_workers.families.diffusion.loras import Loras
from brushwork_workers.families.diffusion.pipelines import Pipelines
from brushwork_workers.families.diffusion.text_to_image import TextToImage
from brushwork_workers.interface import Loaded, Performer, Place
from brushwork_workers.model_cache.module_offload import Berth

_PERFORMERS: dict[str, Callable[[Place, Generation], Performer]] = {
    "text-to-image": lambda place, generation: TextToImage(place.model, generation),
    "image-to-image": lambda place, generation: ImageToImage(place.model, generation),
    "inpainting": lambda place, generation: Inpainting(place.model, generation),
}


def load(place: Place) -> Loaded:
    """The pipeline's performers, for those of `place.kinds` that there are."""
    pipeline = read(place)
    pipelines = Pipelines(pipeline, place.model.family, place.calls, place.terms)
    _check_kinds(pipeline, place)
    colours = LatentColours.fitted(getattr(pipeline, "vae", None))
    generation = Generation(pipelines, Loras(pipeline, place), ControlNets(pipeline, place), colours)
    made = {kind: make(place, generation) for kind, make in _PERFORMERS.items() if kind in place.kinds}
    if _takes_turns(place):
        Berth(place.device).serve(pipelines.modules)
    return Loaded(made, pipelines.modules)


def _takes_turns(place: Place) -> bool:
    return place.model.placement == "model_offload"


def _check_kinds(pipeline: Any, place: Place) -> None:
    """Refuse an entry that promises what its denoiser can't do."""
    unet = pipeline.components.get("unet")
    # Besides its latents, it is given the mask and the latents of what stays.
    is_inpainter = unet is not None and unet.config.in_channels > pipeline.vae.config.latent_channels
    if is_inpainter and set(place.kinds) - {"inpainting"}:
        raise ModelUnavailable(
            f"Model {place.model.name} was made for inpainting and does nothing else.",
            field="kinds",
            hint='Write kinds = ["inpainting"] in its entry.',
        )


def read(place: Place) -> Any:
    """The pipeline in its folder, on the device: safetensors alone, and no code but diffusers' own."""
    pipeline = DiffusionPipeline.from_pretrained(
        place.folder,
        dtype=place.dtype,
        variant=place.model.source.variant,
        use_safetensors=True,
        local_files_only=True,
        **_left_out(place),
    ).to("cpu" if _takes_turns(place) else place.device)
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, PreTrainedModel):
            # For a next token, which nobody asks of these encoders; nor can it be cut into rows.
            component.config.get_text_config().use_cache = False
    return pipeline


def _left_out(place: Place) -> dict[str, Any]:
    """Components that are not to be loaded, said so that diffusers does not ask for them."""
    index = json.loads((place.folder / "model_index.json").read_text("utf-8"))
    # As the third text encoder of Stable Diffusion 3, which many do without.
    left_out: dict[str, Any] = {name: None for name, of in index.items() if of == [None, None]}
    if "safety_checker" in index and not _is_checked(place.model, index):
        left_out |= {"safety_checker": None, "requires_safety_checker": False}
    return left_out


def _is_checked(model: Model, index: dict[str, Any]) -> bool:
    return model.safety_checker and index["safety_checker"] != [None, None]
