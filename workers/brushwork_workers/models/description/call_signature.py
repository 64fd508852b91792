"""Which argument of a pipeline's call each field of a request becomes."""

import inspect
from collections.abc import Mapping
from typing import Any

# The names that pipelines give to the argument of a field; the first that a pipeline has counts. A field that
# is not listed has an argument of its own name.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "negative_prompt": ("negative_prompt", "neg_prompt"),
    # In cascades, the prior follows the prompt.
    "guidance_scale": (
        *("guidance_scale", "true_cfg_scale", "distilled_guidance_scale"),
        *("prior_guidance_scale", "decoder_guidance_scale", "max_guidance_scale"),
    ),
    "image_guidance_scale": ("image_guidance_scale", "img_guidance_scale"),
    "images": ("image", "images", "input_images"),
    "mask_image": ("mask_image",),
    "num_inference_steps": ("num_inference_steps",),
    "num_frames": ("num_frames", "video_length", "frames"),
    "controlnet_conditioning_scale": ("controlnet_conditioning_scale", "adapter_conditioning_scale"),
}
# Fields that brushwork itself serves for every pipeline of their kinds: they become no argument.
OWN_FIELDS = frozenset({"fps", "num_videos_per_prompt"})
# Components that follow a control picture. Older pipelines call it `image`.
_CONTROLLERS = ("controlnet", "adapter")
DENOISERS = ("transformer", "unet", "prior", "decoder")


def call_parameters(pipeline_class: type) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a pipeline's call, by name."""
    found = dict(inspect.signature(pipeline_class.__call__).parameters)
    found.pop("self", None)
    return found


def argument_of(pipeline_class: type, field: str) -> str | None:
    """Return the argument that a field of a request becomes; None if the pipeline has none.

    Args:
        pipeline_class: A pipeline class of diffusers.
        field: Name of the field.
    """
    known = call_parameters(pipeline_class)
    if field == "control_image":
        return control_argument(pipeline_class)
    return next((name for name in ARGUMENTS.get(field, (field,)) if name in known), None)


def control_argument(pipeline_class: type) -> str | None:
    """Return the argument for a control picture, such as edges or depth; None if there is none."""
    known = call_parameters(pipeline_class)
    if "control_image" in known:
        return "control_image"
    is_controlled = any(name in inspect.signature(pipeline_class).parameters for name in _CONTROLLERS)
    return "image" if is_controlled and "image" in known else None


def picture_argument(pipeline_class: type) -> str | None:
    """Return the argument for the picture, or the pictures, that a pipeline starts from."""
    found = argument_of(pipeline_class, "images")
    return None if found == control_argument(pipeline_class) else found


def guidance_argument(pipeline: Any) -> str | None:
    """Return the argument that classifier-free guidance, or distilled guidance, has in a pipeline.

    Some pipelines have both. A denoiser that takes the scale as an input was distilled: it needs no second
    call for guidance.

    Args:
        pipeline: A pipeline, with or without weights. The configuration of its denoiser decides.
    """
    known = call_parameters(type(pipeline))
    takes_scale = getattr(denoiser_config(pipeline), "guidance_embeds", None)
    if takes_scale is False and "true_cfg_scale" in known:
        return "true_cfg_scale"
    if "distilled_guidance_scale" in known and not takes_scale:
        return None
    return argument_of(type(pipeline), "guidance_scale")


def guider_of(pipeline: Any) -> Any:
    """Return the component that guides, if the scale is a setting of that component; else None."""
    guider = getattr(pipeline, "guider", None)
    return guider if hasattr(guider, "guidance_scale") and hasattr(guider, "new") else None


def denoiser_config(pipeline: Any) -> Any:
    """Return the configuration of the denoiser of a pipeline; None if it has none of a known name."""
    found = (getattr(pipeline, name, None) for name in DENOISERS)
    return next((module.config for module in found if module is not None), None)
