"""Admission: a request is validated, completed from the model's defaults, and checked against its limits."""

import difflib
import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import BrushworkError, InvalidRequest, PluginFailed
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.plugins import KINDS, distribution_of
from brushwork_schemas.validation import reason_of

LOGGER = logging.getLogger(__name__)
SEED_BITS = 32
SHOWN_CHARACTERS = 60
LONGEST_FIELD = 100


@dataclass(frozen=True)
class Admitted:
    """A complete request: a worker can run it as it stands.

    Args:
        kind: Kind of the job.
        model: Model that serves it.
        request: The request, with all defaults filled in.
    """

    kind: Kind
    model: Model
    request: Request

    @property
    def label(self) -> str:
        """Model and cost in a few words, without private text. Flower and logs show it."""
        with _own_function(self.kind, "summary"):
            return f"{self.model.name} {self.request.summary}".strip()[:200]


def admit(kind_name: str, parameters: Mapping[str, Any], catalogue: Catalogue) -> Admitted:
    """Check `parameters` and fill in the model, its defaults and a seed.

    Args:
        kind_name: Name of the kind.
        parameters: Fields of the request; files are named by their SHA-256.
        catalogue: Models to choose from.

    Raises:
        UnknownKind: No kind has this name.
        UnknownModel: The catalogue has no such model for this kind.
        InvalidRequest: A parameter is wrong. `field` names it, the message states its limits.
        PluginFailed: A function of the kind raised another exception.
    """
    kind = kind_named(kind_name)
    asked = _validated(kind, parameters)
    model = catalogue.named(asked.model, kind.name)
    request = _validated(kind, _completed(asked, model, kind))
    _check_special(request, kind, model)
    for check in kind.checks:
        with _own_function(kind, f"checks ({getattr(check, '__qualname__', type(check).__name__)})"):
            check(request, model, catalogue)
    return Admitted(kind, model, request)


def _validated(kind: Kind, parameters: Mapping[str, Any]) -> Request:
    try:
        with _own_function(kind, "request_type"):
            return kind.request_type.model_validate(dict(parameters))
    except ValidationError as error:
        # A misspelt name also leaves its right name missing. The misspelling is the more useful message.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _explained(kind, problems) from None


def _explained(kind: Kind, problems: list[ErrorDetails]) -> InvalidRequest:
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"])[:LONGEST_FIELD]
    known = kind.request_type.model_fields
    if len(first["loc"]) > 1 and first["type"] in ("missing", "extra_forbidden"):
        # A field inside of a list, such as boxes.0.y_max.
        return InvalidRequest(
            f"{field}: {reason_of(first['msg'])}.", field=field, hint=known[str(first["loc"][0])].description
        )
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, known, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Parameters are {', '.join(known)}."
        return InvalidRequest(f"{kind.name} has no parameter {field!r}.", field=field, hint=hint)
    if first["type"] == "missing":
        return InvalidRequest(f"{kind.name} requires {field!r}.", field=field, hint=known[field].description)
    others = sorted({str(problem["loc"][0]) for problem in problems} - {field})
    more = f" Also wrong: {', '.join(others)}." if others else ""
    return InvalidRequest(
        f"{field}: {reason_of(first['msg'])}. Got {_shown(first['input'])}.{more}", field=field
    )


def _shown(given: Any) -> str:
    try:
        text = repr(given)
    # The repr of a foreign object may raise anything; that of an int does beyond 4,300 digits.
    except Exception:
        text = f"a {type(given).__name__} that cannot be shown"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def _completed(asked: Request, model: Model, kind: Kind) -> dict[str, Any]:
    # Values of the caller come before defaults of the model; defaults of the kind come last.
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None}
    complete = {**model.defaults_of(kind.name), **given, "model": model.name}
    with _own_function(kind, "complete"):
        complete = dict(kind.complete(asked, complete, model))
    with _own_function(kind, "draws_seed"):
        draws = kind.draws_seed is None or kind.draws_seed(asked, model)
    if draws and "seed" in kind.request_type.model_fields:
        complete.setdefault("seed", secrets.randbits(SEED_BITS))
    return complete


@contextmanager
def _own_function(kind: Kind, name: str) -> Iterator[None]:
    """Call a function of a kind inside. Exceptions that are not about the request are its bugs."""
    try:
        yield
    except (BrushworkError, ValidationError):
        raise
    # A plug-in may raise anything, and may call `sys.exit`.
    except (Exception, SystemExit) as error:
        owner = distribution_of(KINDS, kind.name) or "unknown"
        LOGGER.error("%s of the kind %s (distribution %s) failed", name, kind.name, owner, exc_info=error)
        raise PluginFailed(
            f"{name} of the kind {kind.name} failed with a bug ({type(error).__name__}). "
            f"The distribution {owner} registers this kind.",
            hint=f"Update, repair or uninstall {owner}. The log of this process has the traceback.",
        ) from error


def _check_special(request: Request, kind: Kind, model: Model) -> None:
    """Refuse fields that the model does not accept, so that no field is silently ignored."""
    known = model.accepts
    for name in sorted(request.SPECIAL - set(known)):
        field = kind.request_type.model_fields[name]
        if getattr(request, name) != field.get_default(call_default_factory=True):
            offered = ", ".join(sorted(set(known) & request.SPECIAL))
            raise InvalidRequest(
                f"{name}: {model.name} does not accept this parameter.",
                field=name,
                hint="Leave it out, or choose another model."
                + (f" {model.name} accepts {offered}." if offered else ""),
            )
    for group in model.family_spec.requires:
        if not any(getattr(request, name) for name in group):
            field = kind.request_type.model_fields[group[0]]
            raise InvalidRequest(
                f"{group[0]}: {model.name} requires {' or '.join(group)}.",
                field=group[0],
                hint=field.description,
            )
