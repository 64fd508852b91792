"""The door: from what a caller said to a complete request, or an error that names the wrong field."""

import difflib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.generation import GenerationRequest
from brushwork_schemas.kinds.image_to_image import ImageToImageRequest
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.request import Request

SEED_BITS = 32
SHOWN_CHARACTERS = 60
LONGEST_FIELD = 100


@dataclass(frozen=True)
class Admitted:
    """A request that a worker can run as it stands."""

    kind: Kind
    model: Model
    request: Request

    @property
    def label(self) -> str:
        """What Flower and the logs show: model, size, steps; no prompt."""
        return f"{self.model.name} {self.request.summary}".strip()[:200]


def admit(kind_name: str, parameters: Mapping[str, Any], catalogue: Catalogue) -> Admitted:
    """Check `parameters` and fill in all that was left out: model, its defaults, a seed.

    Raises:
        UnknownKind: There is no such kind.
        UnknownModel: There is no such model for it.
        InvalidRequest: A parameter is wrong; `field` names it, the message its limits.
    """
    kind = kind_named(kind_name)
    asked = _validated(kind, parameters)
    model = catalogue.named(asked.model, kind.name)
    request = _validated(kind, _completed(asked, model, kind))
    _check_special(request, kind, model)
    _check_limits(request, model)
    if isinstance(request, GenerationRequest):
        _check_add_ons(request, model, catalogue)
    if isinstance(request, ImageToImageRequest):
        _check_strength(request)
    if isinstance(request, ImageToTextRequest):
        _check_decoding(request)
    return Admitted(kind, model, request)


def _validated(kind: Kind, parameters: Mapping[str, Any]) -> Request:
    try:
        return kind.request_type.model_validate(dict(parameters))
    except ValidationError as error:
        # A misspelt name also leaves its right name missing: the misspelling is the better news.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _explained(kind, problems) from None


def _explained(kind: Kind, problems: list[ErrorDetails]) -> InvalidRequest:
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"])[:LONGEST_FIELD]
    known = kind.request_type.model_fields
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, known, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Parameters are {', '.join(known)}."
        return InvalidRequest(f"{kind.name} has no parameter {field!r}.", field=field, hint=hint)
    if first["type"] == "missing":
        return InvalidRequest(f"{kind.name} needs {field!r}.", field=field, hint=known[field].description)
    others = sorted({str(problem["loc"][0]) for problem in problems} - {field})
    more = f" Wrong too: {', '.join(others)}." if others else ""
    reason = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return InvalidRequest(f"{field}: {reason}; it was {_shown(first['input'])}.{more}", field=field)


def _shown(given: Any) -> str:
    try:
        text = repr(given)
    # An object's own repr may raise anything; Python's int does beyond 4300 digits.
    except Exception:
        text = f"a {type(given).__name__} that can't be shown"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def _completed(asked: Request, model: Model, kind: Kind) -> dict[str, Any]:
    # Only what the caller said outranks the model's defaults; the kind's own defaults come last.
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None}
    complete: dict[str, Any] = {**model.defaults_of(kind.name), **given, "model": model.name}
    if isinstance(asked, GenerationRequest):
        # With a picture to begin with, its own size is the default.
        for field in ("width", "height") if kind.takes_image else ():
            if field not in given:
                complete.pop(field, None)
    if isinstance(asked, ImageToTextRequest) and "num_beams" not in given:
        complete |= _beams(asked, complete.get("num_beams"))
    if "seed" in kind.request_type.model_fields and _draws(asked, model):
        complete.setdefault("seed", secrets.randbits(SEED_BITS))
    return complete


def _beams(asked: ImageToTextRequest, default: int | None) -> dict[str, int]:
    """As many as make the candidates asked for; one where tokens are drawn."""
    if asked.do_sample:
        return {"num_beams": 1}
    if default is None and asked.num_return_sequences == 1:
        return {}
    return {"num_beams": max(default or 1, asked.num_return_sequences)}


def _draws(asked: Request, model: Model) -> bool:
    """Whether the answer depends on random numbers."""
    if isinstance(asked, ImageToTextRequest):
        return asked.do_sample
    return "seed" not in asked.SPECIAL or "seed" in model.accepts


def _check_special(request: Request, kind: Kind, model: Model) -> None:
    """No field is left unheard: one that this model does not know is refused."""
    known = model.accepts
    for name in sorted(request.SPECIAL - set(known)):
        field = kind.request_type.model_fields[name]
        if getattr(request, name) != field.get_default(call_default_factory=True):
            offered = ", ".join(sorted(set(known) & request.SPECIAL)) or "none of that sort"
            raise InvalidRequest(
                f"{name}: {model.name} has no such parameter.",
                field=name,
                hint=f"Leave it out, or choose another model. It knows {offered}.",
            )
    for group in model.about.requires:
        if not any(getattr(request, name) for name in group):
            field = kind.request_type.model_fields[group[0]]
            raise InvalidRequest(
                f"{group[0]}: {model.name} needs {' or '.join(group)}.",
                field=group[0],
                hint=field.description,
            )


def _check_add_ons(request: GenerationRequest, model: Model, catalogue: Catalogue) -> None:
    for index, lora in enumerate(request.loras):
        catalogue.add_on(lora.name, "lora", model, f"loras.{index}.name")
    if len({lora.name for lora in request.loras}) < len(request.loras):
        raise InvalidRequest("loras: one is there twice.", field="loras", hint="Add up its weights.")
    if request.controlnet is not None:
        catalogue.add_on(request.controlnet, "controlnet", model, "controlnet")
    if (request.controlnet is None) != (request.control_image is None):
        missing = "controlnet" if request.controlnet is None else "control_image"
        raise InvalidRequest(
            f"{missing}: controlnet and control_image go together.", field=missing, hint="Give both."
        )


def _check_decoding(request: ImageToTextRequest) -> None:
    beams = request.num_beams or 1
    if request.do_sample and beams > 1:
        raise InvalidRequest(
            f"num_beams: tokens are searched for or drawn, not both; it was {beams}.",
            field="num_beams",
            hint="Leave out num_beams or do_sample.",
        )
    if not request.do_sample and request.num_return_sequences > beams:
        raise InvalidRequest(
            f"num_return_sequences: {beams} beams make no {request.num_return_sequences} candidates.",
            field="num_return_sequences",
            hint="Leave out num_beams, or draw: do_sample=True.",
        )
    for field in () if request.do_sample else ("temperature", "top_p"):
        if getattr(request, field) is not None:
            raise InvalidRequest(
                f"{field}: it is about drawing, and nothing is drawn.",
                field=field,
                hint="Set do_sample=True.",
            )


def _check_limits(request: Request, model: Model) -> None:
    if not isinstance(request, GenerationRequest):
        return
    width, height = request.width or 0, request.height or 0
    for field, side in (("width", width), ("height", height)):
        _at_most(field, side, model.limits.max_side, model)
        if side % model.about.multiple_of:
            raise InvalidRequest(
                f"{field}: {model.name} makes multiples of {model.about.multiple_of}; it was {side}.",
                field=field,
                hint=f"The next one is {-(-side // model.about.multiple_of) * model.about.multiple_of}.",
            )
    pixels = width * height * request.num_images_per_prompt
    limits = model.limits
    _at_most("num_inference_steps", request.num_inference_steps or 0, limits.max_steps, model)
    _at_most("num_images_per_prompt", request.num_images_per_prompt, limits.max_images, model)
    if pixels > limits.max_pixels_per_job:
        raise InvalidRequest(
            f"width x height x num_images_per_prompt is {pixels}; {model.name} allows at most "
            f"{limits.max_pixels_per_job} pixels a job.",
            field="num_images_per_prompt",
            hint="Ask for fewer or smaller pictures, or submit several jobs.",
        )
    if request.scheduler is not None and request.scheduler not in model.schedulers:
        raise InvalidRequest(
            f"scheduler: {model.name} does not offer {request.scheduler!r}.",
            field="scheduler",
            hint=f"It offers {', '.join(model.schedulers) or 'only its own: leave it out'}.",
        )


def _check_strength(request: ImageToImageRequest) -> None:
    """Of the steps asked for, `strength` says how many are made: none would be no job."""
    num_steps, strength = request.num_inference_steps or 0, request.strength
    if strength is not None and int(num_steps * strength) < 1:
        raise InvalidRequest(
            f"strength: of {num_steps} steps, {strength:g} leaves none to be made.",
            field="strength",
            hint=f"Give at least {math.ceil(1000 / num_steps) / 1000:g}, or num_inference_steps of at least "
            f"{math.ceil(1 / strength)}.",
        )


def _at_most(field: str, value: int, limit: int, model: Model) -> None:
    if value > limit:
        raise InvalidRequest(f"{field}: {model.name} allows at most {limit}; it was {value}.", field=field)
