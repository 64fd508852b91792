"""The parameters of a picture in its file: as text that image tools read, and as JSON of our own.

The text has the form of AUTOMATIC1111's web UI, which many programs read. It lacks what that form has no name
for; the JSON has all that the request says.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from brushwork_core.provenance.facts import PictureFacts

# Names of the same samplers in that web UI. Others keep the name of their class.
_SAMPLERS = {
    "DDIMScheduler": "DDIM",
    "DEISMultistepScheduler": "DEIS",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "DPMSolverSDEScheduler": "DPM++ SDE",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "FlowMatchEulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "KDPM2AncestralDiscreteScheduler": "DPM2 a",
    "KDPM2DiscreteScheduler": "DPM2",
    "LCMScheduler": "LCM",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}
# The JSON stands in an XML document, which cannot hold these. Other control characters JSON escapes itself.
_NOT_IN_XML = re.compile("[\ufffe\uffff]")
_NEEDS_QUOTES = re.compile(r'[,:\n"]')


def parameters_json(facts: PictureFacts) -> str:
    """Return kind, software and parameters as JSON, in an order that does not depend on the caller's."""
    stated = {
        "software": f"brushwork {facts.software_version}",
        "kind": facts.kind,
        "model_revision": facts.model_revision,
        "parameters": dict(facts.parameters or {}),
    }
    text = json.dumps(stated, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _NOT_IN_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def parameters_text(facts: PictureFacts, size: tuple[int, int]) -> str:
    """Return the parameters as text.

    Args:
        facts: Facts with parameters.
        size: Width and height of the picture, in pixels.
    """
    given = facts.parameters or {}
    loras = "".join(f"<lora:{each['name']}:{each['weight']:g}>" for each in given.get("loras") or ())
    lines = [" ".join(part for part in (str(given.get("prompt") or ""), loras) if part)]
    if negative := given.get("negative_prompt"):
        lines.append(f"Negative prompt: {negative}")
    settings = _settings(facts, given, size)
    lines.append(", ".join(f"{name}: {_quoted(str(value))}" for name, value in settings))
    return "\n".join(lines)


def _settings(
    facts: PictureFacts, given: Mapping[str, Any], size: tuple[int, int]
) -> Iterator[tuple[str, object]]:
    sampler = given.get("scheduler")
    for name, value in (
        ("Steps", given.get("num_inference_steps")),
        ("Sampler", sampler and _SAMPLERS.get(sampler, sampler)),
        ("CFG scale", given.get("guidance_scale")),
        ("Seed", given.get("seed")),
        ("Size", f"{size[0]}x{size[1]}"),
        ("Model", facts.model),
        ("Denoising strength", given.get("strength")),
        ("Clip skip", given.get("clip_skip")),
        ("Version", f"brushwork {facts.software_version}"),
    ):
        if value is not None:
            yield name, f"{value:g}" if isinstance(value, float) else value


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if _NEEDS_QUOTES.search(value) else value
