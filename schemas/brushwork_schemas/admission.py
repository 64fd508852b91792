"""The door: from what a caller said to a complete request, or an error that names the wrong field."""

import difflib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds import Kind, kind_named
from brushwork_schemas.requests import Request, TextToImageRequest

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
    request = _validated(kind, _completed(asked, model))
    _check_limits(request, model)
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


def _completed(asked: Request, model: Model) -> dict[str, Any]:
    # Only what the caller said outranks the model's defaults; the kind's own defaults come last.
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None}
    complete: dict[str, Any] = {**model.defaults, **given, "model": model.name}
    if isinstance(asked, TextToImageRequest):
        complete.setdefault("seed", secrets.randbits(SEED_BITS))
        for field in ("width", "height", "num_inference_steps", "guidance_scale"):
            if field not in complete:
                raise InvalidRequest(
                    f"{field}: model {model.name} has no default for it; give a value.", field=field
                )
    return complete


def _check_limits(request: Request, model: Model) -> None:
    if not isinstance(request, TextToImageRequest):
        return
    width, height = request.width or 0, request.height or 0
    pixels = width * height * request.num_images_per_prompt
    limits = model.limits
    _at_most("width", width, limits.max_side, model)
    _at_most("height", height, limits.max_side, model)
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


def _at_most(field: str, value: int, limit: int, model: Model) -> None:
    if value > limit:
        raise InvalidRequest(f"{field}: {model.name} allows at most {limit}; it was {value}.", field=field)
