"""The arguments of a pipeline for a request, which differ between families."""

from collections.abc import Callable
from typing import Any

from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.generation import GenerationRequest
from brushwork_schemas.warnings import ResultWarning, result_warning
from brushwork_schemas.wording.phrase import said

from brushwork_workers.models.description.call_arguments import (
    arguments_by_signature,
    ignored_by_signature,
)

# The most prompt tokens of the timestep-distilled FLUX.1-schnell, from its model card; FLUX.1-dev takes 512.
_DISTILLED_FLUX_TOKENS = 256
# The most that the pipelines of Qwen-Image allow. By default they cut at half of it, without a word.
_QWEN_TOKENS = 1024


def arguments_of(request: GenerationRequest, family: str, pipeline: Any) -> dict[str, Any]:
    """Return the pipeline arguments that are the same for all kinds, without sizes and generators.

    Args:
        request: A complete request.
        family: The name of the model's family.
        pipeline: The pipeline that will be called. The configurations of its modules tell variants of a
            family apart.

    Raises:
        InvalidRequest: The model does not support a field of the request.
    """
    if family not in _GUIDANCE:
        if request.clip_skip is not None:
            check_clip_skip(request, pipeline)
        return arguments_by_signature(request, pipeline)
    return {
        "prompt": request.prompt,
        "num_inference_steps": request.num_inference_steps,
        "num_images_per_prompt": request.num_images_per_prompt,
        **_GUIDANCE[family](request, pipeline),
    }


def ignored_parameters(
    request: GenerationRequest, model: Model, kind: str, pipeline: Any
) -> list[ResultWarning]:
    """Return a warning for each parameter of a request that has no effect with this model.

    Args:
        request: A complete request.
        model: The catalogue entry of the model.
        kind: The kind of the job.
        pipeline: The pipeline that is called, whose configuration tells distilled models apart.
    """
    scale, denoiser = request.guidance_scale or 0.0, _denoiser(pipeline)
    found: dict[str, str] = {}
    if model.pipeline is not None:
        found |= ignored_by_signature(request, pipeline)
    elif model.family == "flux" and not denoiser.config.guidance_embeds:
        if scale != (model.defaults_of(kind).get("guidance_scale") or 0.0):
            found["guidance_scale"] = "distilled"
    elif request.negative_prompt.strip():
        is_distilled = model.family == "qwen-image" and denoiser.config.guidance_embeds
        # Consistency models take the scale as an input, and run once per step.
        if is_distilled or getattr(denoiser.config, "time_cond_proj_dim", None) is not None:
            found["negative_prompt"] = "distilled"
        elif scale <= 1:
            found["negative_prompt"] = "no_guidance"
    if request.controlnet is None and request.controlnet_conditioning_scale is not None:
        found["controlnet_conditioning_scale"] = "no_controlnet"
    return [result_warning("parameter_ignored", field, reason=reason) for field, reason in found.items()]


def _denoiser(pipeline: Any) -> Any:
    return pipeline.components.get("unet") or pipeline.components.get("transformer")


def _stable_diffusion(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    # None, because SDXL encodes "" as text, but replaces a missing negative prompt by zeros.
    negative_prompt = request.negative_prompt or None
    arguments = {"guidance_scale": request.guidance_scale, "negative_prompt": negative_prompt}
    if request.clip_skip is None:
        return arguments
    check_clip_skip(request, pipeline)
    return {**arguments, "clip_skip": request.clip_skip}


def check_clip_skip(request: GenerationRequest, pipeline: Any) -> None:
    """Refuse to skip more layers than the text encoder has.

    Raises:
        InvalidRequest: It has no more layers.
    """
    num_layers = pipeline.text_encoder.config.num_hidden_layers
    if (request.clip_skip or 0) >= num_layers:
        raise InvalidRequest(
            said(
                "clip_skip: cannot skip {clip_skip} layers, the text encoder of this model has {num_layers}.",
                clip_skip=request.clip_skip,
                num_layers=num_layers,
            ),
            field="clip_skip",
            hint=said("Set clip_skip to less than {num_layers}.", num_layers=num_layers),
        )


def _flux(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"guidance_scale": request.guidance_scale}
    if not pipeline.transformer.config.guidance_embeds:
        arguments["max_sequence_length"] = _DISTILLED_FLUX_TOKENS
    return arguments


def _pixart(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    # Caption cleaning needs optional packages and removes Chinese characters. Without it, a prompt has the
    # same effect on every worker.
    return {**_sana(request, pipeline), "clean_caption": False}


def _sana(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    return {"guidance_scale": request.guidance_scale, "negative_prompt": request.negative_prompt}


def _qwen(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    scale = request.guidance_scale or 0.0
    most = {"max_sequence_length": _QWEN_TOKENS}
    if pipeline.transformer.config.guidance_embeds:
        return {**most, "guidance_scale": scale, "true_cfg_scale": 1.0}
    # Without a negative prompt the pipeline applies no guidance. The model card uses a single space.
    negative_prompt = (request.negative_prompt or " ") if scale > 1 else None
    return {**most, "true_cfg_scale": scale, "negative_prompt": negative_prompt}


_GUIDANCE: dict[str, Callable[[GenerationRequest, Any], dict[str, Any]]] = {
    "stable-diffusion": _stable_diffusion,
    "stable-diffusion-xl": _stable_diffusion,
    "stable-diffusion-3": _stable_diffusion,
    "flux": _flux,
    "pixart-sigma": _pixart,
    "sana": _sana,
    "qwen-image": _qwen,
}
