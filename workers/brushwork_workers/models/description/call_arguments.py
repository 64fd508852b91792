"""The arguments of any pipeline of diffusers for a request, found by the signature of its call."""

from collections.abc import Mapping
from typing import Any

from brushwork_schemas.kinds.generation import GenerationRequest

from brushwork_workers.models.description.call_signature import (
    OWN_FIELDS,
    argument_of,
    call_parameters,
    control_argument,
    denoiser_config,
    guidance_argument,
    guider_of,
    picture_argument,
)

# Fields that are prepared by the handler of a kind, or by the run: sizes, pictures and adapters.
_PREPARED = frozenset(
    {
        *("width", "height", "mask_image", "control_image", "strength", "num_frames"),
        *("loras", "controlnet", "scheduler", "acceleration"),
    }
)
_WITHOUT_PROMPT = " "


def arguments_by_signature(request: Any, pipeline: Any) -> dict[str, Any]:
    """Return the arguments for the fields of a request that the pipeline has. Empty fields are left out.

    Args:
        request: A complete request.
        pipeline: The pipeline that will be called.
    """
    found: dict[str, Any] = {}
    own = type(request).model_parameters() - _PREPARED - OWN_FIELDS - {"guidance_scale"}
    for field in sorted({"prompt", *own}):
        argument, value = argument_of(type(pipeline), field), getattr(request, field, None)
        if argument is not None and value not in (None, "", ()):
            found[argument] = value
    return found | _guidance(request, pipeline)


def ignored_by_signature(request: GenerationRequest, pipeline: Any) -> dict[str, str]:
    """Return the fields of a request without effect in a pipeline, and why. See `ignored_parameters`."""
    if not request.negative_prompt.strip() or guider_of(pipeline) is not None:
        return {}
    scale = request.guidance_scale
    if getattr(denoiser_config(pipeline), "guidance_embeds", None):
        return {"negative_prompt": "distilled"}
    return {"negative_prompt": "no_guidance"} if scale is not None and scale <= 1 else {}


def _guidance(request: Any, pipeline: Any) -> dict[str, Any]:
    scale = getattr(request, "guidance_scale", None)
    argument = guidance_argument(pipeline)
    if argument is None and scale is not None and (guider := guider_of(pipeline)) is not None:
        # The guider of this job: it was copied with the pipeline.
        pipeline.__dict__["guider"] = guider.new(guidance_scale=scale)
    if argument is None or scale is None:
        return {}
    found: dict[str, Any] = {argument: scale}
    negative = argument_of(type(pipeline), "negative_prompt")
    if argument == "true_cfg_scale" and scale > 1 and negative and not request.negative_prompt:
        # Without a negative prompt, such a pipeline applies no guidance. Model cards use a space.
        found[negative] = _WITHOUT_PROMPT
    return found


def fitted_arguments(arguments: Mapping[str, Any], pipeline: Any) -> dict[str, Any]:
    """Return arguments by the names that the pipeline has for them, without those that it lacks.

    Args:
        arguments: Arguments by the names of most pipelines; a list of generators, one for each picture.
        pipeline: The pipeline that will be called.
    """
    known = call_parameters(type(pipeline))
    names = {"image": picture_argument(type(pipeline)), "control_image": control_argument(type(pipeline))}
    found = {
        name if name in known else names.get(name, name): value
        for name, value in arguments.items()
        if value is not None
    }
    fitted = {name: value for name, value in found.items() if name is not None and name in known}
    if "max_area" in known and {"height", "width"} <= fitted.keys():
        # Otherwise the pipeline takes only the proportions from the size.
        fitted["max_area"] = fitted["height"] * fitted["width"]
    steps = known.get("num_inference_steps")
    if steps is not None and fitted.get("num_inference_steps", steps.default) != steps.default:
        # Sana Sprint: this timestep is that between its two steps.
        fitted |= {name: None for name in ("intermediate_timesteps",) if name in known}
    for name in ("image", "generator"):
        # Some pipelines take no lists here.
        if isinstance(fitted.get(name), list) and len(fitted[name]) == 1:
            fitted[name] = fitted[name][0]
    return fitted


def pictures_of(output: Any) -> list[Any]:
    """Return the pictures that a pipeline has made, in one list.

    Args:
        output: What the pipeline returned. Some make several layers of each picture.
    """
    found = output.image if hasattr(output, "image") else output.images
    return [picture for each in found for picture in (each if isinstance(each, list | tuple) else [each])]
