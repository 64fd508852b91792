"""Reads the text with parameters of AUTOMATIC1111's web UI, which also Forge, SD.Next and Civitai write.

The web UI defines the form by its own function `parse_generation_parameters`: the prompt, a line that begins
with `Negative prompt:`, and at last a line of `Name: value` pairs, whose values may be in quotes.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

_NEGATIVE = "Negative prompt:"
# The last line of a text without parameters is the end of its prompt.
_LEAST_PAIRS = 3
_LORA = re.compile(r"<lora:([^:<>]{1,200}):(-?[0-9.]{1,10})(?::[^<>]{0,50})?>")
# Names of the samplers, and the schedulers of diffusers that do the same.
SCHEDULERS = {
    "DDIM": "DDIMScheduler",
    "DEIS": "DEISMultistepScheduler",
    "DPM++ 2M": "DPMSolverMultistepScheduler",
    "DPM++ 2M Karras": "DPMSolverMultistepScheduler",
    "DPM++ 2M SDE": "DPMSolverMultistepScheduler",
    "DPM++ SDE": "DPMSolverSDEScheduler",
    "DPM2": "KDPM2DiscreteScheduler",
    "DPM2 a": "KDPM2AncestralDiscreteScheduler",
    "Euler": "EulerDiscreteScheduler",
    "Euler a": "EulerAncestralDiscreteScheduler",
    "Heun": "HeunDiscreteScheduler",
    "LCM": "LCMScheduler",
    "LMS": "LMSDiscreteScheduler",
    "PLMS": "PNDMScheduler",
    "UniPC": "UniPCMultistepScheduler",
}
_WHOLE = {"Steps": "num_inference_steps", "Seed": "seed", "Clip skip": "clip_skip"}
_REAL = {"CFG scale": "guidance_scale", "Denoising strength": "strength"}


def read(text: str) -> tuple[dict[str, Any], str | None]:
    """Return the parameters by the names that requests use, and the model by the name that the text has.

    Args:
        text: The text. What it doesn't say is left out, and so are values of the wrong form.
    """
    prompt, negative, settings = _parts(text)
    loras = [{"name": name, "weight": weight} for name, weight in _loras(prompt)]
    found: dict[str, Any] = {"prompt": _LORA.sub("", prompt).strip().rstrip(","), "negative_prompt": negative}
    for names, kind in ((_WHOLE, int), (_REAL, float)):
        for name, ours in names.items():
            found[ours] = number(settings.get(name), kind)
    found |= _size(settings.get("Size", ""))
    if sampler := settings.get("Sampler"):
        found["scheduler"] = SCHEDULERS.get(sampler, sampler if sampler.endswith("Scheduler") else None)
    if loras:
        found["loras"] = loras
    kept = {name: value for name, value in found.items() if value not in (None, "")}
    return kept, settings.get("Model") or None


def number(given: object, kind: type[int] | type[float]) -> int | float | None:
    """Return a value as a number; None if it is none."""
    if isinstance(given, bool) or not isinstance(given, str | int | float) or len(str(given)) > 40:
        return None
    try:
        found = kind(given)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _parts(text: str) -> tuple[str, str, dict[str, str]]:
    *lines, last = text.strip().split("\n")
    settings = dict(_pairs(last))
    if len(settings) < _LEAST_PAIRS:
        lines, settings = [*lines, last], {}
    prompt: list[str] = []
    negative: list[str] | None = None
    for line in lines:
        if negative is None and line.strip().startswith(_NEGATIVE):
            negative = [line.strip().removeprefix(_NEGATIVE)]
        else:
            (prompt if negative is None else negative).append(line)
    return "\n".join(prompt).strip(), "\n".join(negative or ()).strip(), settings


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Name and value of each pair. A value in quotes is JSON text, and may hold commas."""
    place = 0
    while place < len(line):
        colon = line.find(":", place)
        if colon < 0:
            return
        name, place = line[place:colon].strip(" ,"), colon + 1
        while place < len(line) and line[place] == " ":
            place += 1
        if line.startswith('"', place):
            value, place = _quoted(line, place)
        else:
            comma = line.find(",", place)
            end = len(line) if comma < 0 else comma
            value, place = line[place:end].strip(), end
        comma = line.find(",", place)
        place = len(line) if comma < 0 else comma + 1
        if name and len(name) <= 100:
            yield name, value


def _quoted(line: str, start: int) -> tuple[str, int]:
    try:
        value, end = json.JSONDecoder().raw_decode(line, start)
    except (ValueError, RecursionError):
        return line[start:].strip(), len(line)
    return str(value), end


def _loras(prompt: str) -> Iterator[tuple[str, float]]:
    for name, weight in _LORA.findall(prompt):
        if (value := number(weight, float)) is not None:
            yield name, float(value)


def _size(text: str) -> dict[str, int]:
    width, _, height = text.partition("x")
    if width.isascii() and height.isascii() and width.isdigit() and height.isdigit() and len(text) < 20:
        return {"width": int(width), "height": int(height)}
    return {}
