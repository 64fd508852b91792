"""What a pipeline of each family is called with for a request: the same words, said in its way."""

from collections.abc import Callable
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.generation import GenerationRequest

# Longest prompt of the timestep-distilled FLUX.1-schnell, in tokens, by its model card; FLUX.1-dev takes 512.
_DISTILLED_FLUX_TOKENS = 256


def arguments_of(request: GenerationRequest, family: str, pipeline: Any) -> dict[str, Any]:
    """Of a complete request, all that does not depend on the kind of job, sizes and generators left out.

    Args:
        request: Complete.
        family: Of the catalogue.
        pipeline: That will be called; its modules' configurations tell variants of a family apart.

    Raises:
        InvalidRequest: It asks what this model can't do.
    """
    return {
        "prompt": request.prompt,
        "num_inference_steps": request.num_inference_steps,
        "num_images_per_prompt": request.num_images_per_prompt,
        **_GUIDANCE[family](request, pipeline),
    }


def _stable_diffusion(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    # None, for "" is another thing to SDXL, which has zeros in the place of no negative prompt.
    negative_prompt = request.negative_prompt or None
    arguments = {"guidance_scale": request.guidance_scale, "negative_prompt": negative_prompt}
    if request.clip_skip is None:
        return arguments
    num_layers = pipeline.text_encoder.config.num_hidden_layers
    if request.clip_skip >= num_layers:
        raise InvalidRequest(
            f"clip_skip: the model's text encoder has {num_layers} layers; {request.clip_skip} of them "
            "can't be left out.",
            field="clip_skip",
            hint=f"Give less than {num_layers}.",
        )
    return {**arguments, "clip_skip": request.clip_skip}


def _flux(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"guidance_scale": request.guidance_scale}
    if not pipeline.transformer.config.guidance_embeds:
        arguments["max_sequence_length"] = _DISTILLED_FLUX_TOKENS
    return arguments


def _pixart(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    # Its cleaning needs packages that may be missing, and drops Chinese: a prompt means the same everywhere.
    return {**_sana(request, pipeline), "clean_caption": False}


def _sana(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    return {"guidance_scale": request.guidance_scale, "negative_prompt": request.negative_prompt}


def _qwen(request: GenerationRequest, pipeline: Any) -> dict[str, Any]:
    scale = request.guidance_scale or 0.0
    if pipeline.transformer.config.guidance_embeds:
        return {"guidance_scale": scale, "true_cfg_scale": 1.0}
    # Without a negative prompt it would have no guidance; its model card gives a blank one.
    negative_prompt = (request.negative_prompt or " ") if scale > 1 else None
    return {"true_cfg_scale": scale, "negative_prompt": negative_prompt}


_GUIDANCE: dict[str, Callable[[GenerationRequest, Any], dict[str, Any]]] = {
    "stable-diffusion": _stable_diffusion,
    "stable-diffusion-xl": _stable_diffusion,
    "stable-diffusion-3": _stable_diffusion,
    "flux": _flux,
    "pixart-sigma": _pixart,
    "sana": _sana,
    "qwen-image": _qwen,
}
