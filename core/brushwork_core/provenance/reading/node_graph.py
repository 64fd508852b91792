"""Reads the graph of nodes that ComfyUI writes, and the metadata of InvokeAI."""

from collections.abc import Mapping
from typing import Any

from brushwork_core.provenance.reading.a1111 import number

# Schedulers of diffusers, by ComfyUI's names.
_SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "dpmpp_2m_sde": "DPMSolverMultistepScheduler",
    "dpm_2": "KDPM2DiscreteScheduler",
    "dpm_2_ancestral": "KDPM2AncestralDiscreteScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "lms": "LMSDiscreteScheduler",
    "uni_pc": "UniPCMultistepScheduler",
}
# A text may come through nodes that combine or weight it; a graph may be circular.
_MOST_LINKS = 20
_MOST_NODES = 5000


def comfyui(graph: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the parameters of the first sampler of a graph, and the name of its model.

    Args:
        graph: ComfyUI's `prompt`: nodes with `class_type` and `inputs` by their ids.
    """
    nodes = {name: node for name, node in list(graph.items())[:_MOST_NODES] if _inputs(node)}
    sampler = next((node for node in nodes.values() if _is_sampler(node)), None)
    if sampler is None:
        return {}, None
    given = _inputs(sampler)
    latent = _inputs(_linked(nodes, given.get("latent_image")))
    found = {
        "prompt": _text(nodes, given.get("positive")),
        "negative_prompt": _text(nodes, given.get("negative")),
        "num_inference_steps": number(given.get("steps"), int),
        "guidance_scale": number(given.get("cfg"), float),
        "seed": number(given.get("seed", given.get("noise_seed")), int),
        "scheduler": _named(_SCHEDULERS, given.get("sampler_name")),
        "width": number(latent.get("width"), int),
        "height": number(latent.get("height"), int),
    }
    return _without_empty(found), _model(nodes, given.get("model"))


def invokeai(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the parameters in InvokeAI's metadata, and the name of the model."""
    found: dict[str, Any] = {
        "prompt": _as_text(metadata.get("positive_prompt")),
        "negative_prompt": _as_text(metadata.get("negative_prompt")),
        "scheduler": _named(_SCHEDULERS, metadata.get("scheduler")),
    }
    for theirs, ours, kind in (
        ("steps", "num_inference_steps", int),
        ("cfg_scale", "guidance_scale", float),
        ("seed", "seed", int),
        ("width", "width", int),
        ("height", "height", int),
    ):
        found[ours] = number(metadata.get(theirs), kind)
    model = metadata.get("model")
    name = model.get("name", model.get("model_name")) if isinstance(model, Mapping) else model
    return _without_empty(found), _as_text(name) or None


def _is_sampler(node: Mapping[str, Any]) -> bool:
    given = _inputs(node)
    return "Sampler" in str(node.get("class_type")) and "positive" in given and "steps" in given


def _inputs(node: object) -> Mapping[str, Any]:
    given = node.get("inputs") if isinstance(node, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def _linked(nodes: Mapping[str, Any], link: object) -> Any:
    """The node that a link names: its id, and the number of its output."""
    return nodes.get(str(link[0])) if isinstance(link, list) and link else None


def _text(nodes: Mapping[str, Any], link: object) -> str:
    for _ in range(_MOST_LINKS):
        given = _inputs(_linked(nodes, link))
        value = next((given[name] for name in ("text", "value", "string", "text_g") if name in given), None)
        if isinstance(value, str):
            return _as_text(value)
        link = value if value is not None else given.get("conditioning", given.get("conditioning_1"))
        if link is None:
            return ""
    return ""


def _model(nodes: Mapping[str, Any], link: object) -> str | None:
    for _ in range(_MOST_LINKS):
        given = _inputs(_linked(nodes, link))
        name = given.get("ckpt_name", given.get("unet_name"))
        if isinstance(name, str):
            return _as_text(name)
        if (link := given.get("model")) is None:
            return None
    return None


def _named(known: Mapping[str, str], name: object) -> str | None:
    return known.get(name) if isinstance(name, str) else None


def _as_text(given: object) -> str:
    return given[:20_000] if isinstance(given, str) else ""


def _without_empty(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value not in (None, "")}
