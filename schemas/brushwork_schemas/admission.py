"""Admission: a request is validated, completed from the model's defaults, and checked against its limits."""

import logging
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import BrushworkError, InvalidRequest, PluginFailed
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.explanations import admission as explanations
from brushwork_schemas.kinds.explanations.request import Explain, method_of
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.options import JobOptions
from brushwork_schemas.plugins import KINDS, distribution_of
from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import either, said
from brushwork_schemas.wording.translation import LANGUAGES
from brushwork_schemas.wording.validation import place_of, reason_of_problem, whole_numbers

LOGGER = logging.getLogger(__name__)
SEED_BITS = 32
SHOWN_CHARACTERS = 60
# Takes the place of a file while the other fields are checked.
ANY_SHA256 = "0" * 64
MEANT = "Did you mean {name!r}?"


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
            words = (self.model.name, self.request.summary, method_of(self.request))
            return " ".join(word for word in words if word)[:200]


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
    wrong = Refusals()
    asked = _validated(kind, parameters, wrong)
    admitted = None
    if asked is not None:
        admitted = _fitted(kind, asked, parameters, catalogue, wrong)
    else:
        # A bug of the kind is less important here than the fields that are wrong.
        with suppress(PluginFailed):
            _fitted(kind, _mended(kind, parameters, wrong.fields), parameters, catalogue, wrong)
    wrong.raise_any()
    assert admitted is not None  # noqa: S101 - for the type checker: it is None only if an error was noted
    return admitted


def _fitted(
    kind: Kind, asked: Request | None, parameters: Mapping[str, Any], catalogue: Catalogue, wrong: Refusals
) -> Admitted | None:
    """Complete a request and check it against its model. What is wrong is noted."""
    admitted = None
    with wrong.noted():
        named = parameters.get("model") if asked is None else asked.model
        model = catalogue.named(named if isinstance(named, str) else None, kind.name)
        request = asked and _validated(kind, _completed(asked, model, kind), wrong)
        if request is not None:
            with wrong.noted():
                _check_accepted(kind, request, model)
            with wrong.noted():
                _check_required(kind, request, model)
            if isinstance(explain := getattr(request, "explain", None), Explain):
                with wrong.noted():
                    explanations.check_explain(explain, kind.name, kind.explains)
                with wrong.noted():
                    explanations.check_words(request)
            for check in kind.checks:
                with wrong.noted(), _own_function(kind, f"checks ({_name_of(check)})"):
                    check(request, model, catalogue)
            admitted = Admitted(kind, model, request)
    return admitted


def _validated(kind: Kind, parameters: Mapping[str, Any], wrong: Refusals) -> Request | None:
    """Return the request; if fields are wrong, note each of them and return None."""
    try:
        with _own_function(kind, "request_type"):
            return kind.request_type.model_validate(whole_numbers(parameters))
    except ValidationError as error:
        # A misspelt name also leaves its right name missing. The misspelling is the more useful message.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        meant = {_nearest(kind, str(each["loc"][0])) for each in problems if _is_unknown(each)}
        for problem in problems:
            if problem["type"] != "missing" or problem["loc"][0] not in meant:
                wrong.note(_explained(kind, problem))
    return None


def _mended(kind: Kind, parameters: Mapping[str, Any], wrong: Collection[str]) -> Request | None:
    """Return the request with its wrong fields left out, or replaced if they are required.

    So limits of the model are checked for the other fields, and all errors are reported at once.
    """
    fields = kind.request_type.model_fields
    right = {name: value for name, value in parameters.items() if name in fields and name not in wrong}
    required = [name for name in fields if fields[name].is_required() and name not in right]
    stand_ins = {**dict.fromkeys(kind.files, ANY_SHA256), **dict.fromkeys(kind.file_lists, (ANY_SHA256,))}
    given = {name: stand_ins.get(name, kind.example.get(name)) for name in required}
    try:
        with _own_function(kind, "request_type"):
            return kind.request_type.model_validate({**right, **given})
    except (ValidationError, PluginFailed):
        return None


def _is_unknown(problem: ErrorDetails) -> bool:
    return problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1


def _nearest(kind: Kind, name: str) -> str | None:
    labels = {kind.field_label(field, language): field for language in LANGUAGES for field in _names(kind)}
    return nearest_name(name, (*_names(kind), *JobOptions.model_fields), labels)


def _names(kind: Kind) -> Sequence[str]:
    return list(kind.request_type.model_fields)


def _explained(kind: Kind, problem: ErrorDetails) -> FieldError:
    field = place_of(problem)
    known = kind.request_type.model_fields
    reason = reason_of_problem(problem)
    said_of = partial(FieldError.of, field=field, code=problem["type"])
    if len(problem["loc"]) > 1 and problem["type"] in ("missing", "extra_forbidden"):
        # A field inside of a list, such as boxes.0.y_max.
        outer, inner = str(problem["loc"][0]), str(problem["loc"][-1])
        close = nearest_name(inner, _names_within(known[outer].annotation))
        hint = said(MEANT, name=close) if close and close != inner else known[outer].description
        return said_of(said("{field}: {reason}.", field=field, reason=reason), hint=hint)
    if problem["type"] == "extra_forbidden":
        close = _nearest(kind, field)
        hint = said(MEANT, name=close) if close else said("Parameters are {fields}.", fields=list(known))
        return said_of(said("{kind} has no parameter {name!r}.", kind=kind.name, name=field), hint=hint)
    if problem["type"] == "missing":
        message = said("{kind} requires {name!r}.", kind=kind.name, name=field)
        return said_of(message, hint=known[field].description)
    value = _shown(problem["input"])
    return said_of(said("{field}: {reason}. Got {value}.", field=field, reason=reason, value=value))


def _names_within(annotation: Any) -> Sequence[str]:
    """Return the fields of the models inside of a type, such as those of `tuple[Point, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return [name for part in get_args(annotation) for name in _names_within(part)]


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
    if isinstance(explain := given.get("explain"), Explain):
        complete["explain"] = explanations.completed(explain, kind.explains)
    with _own_function(kind, "complete"):
        complete = dict(kind.complete(asked, complete, model))
    with _own_function(kind, "draws_seed"):
        draws = kind.draws_seed is None or kind.draws_seed(asked, model)
    if draws and "seed" in kind.request_type.model_fields:
        complete.setdefault("seed", secrets.randbits(SEED_BITS))
    return complete


def _name_of(function: Callable[..., object]) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


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
            said(
                "{name} of the kind {kind} failed with a bug ({type}). "
                "The distribution {owner} registers this kind.",
                name=name,
                kind=kind.name,
                type=type(error).__name__,
                owner=owner,
            ),
            hint=said(
                "Update, repair or uninstall {owner}. The log of this process has the traceback.",
                owner=owner,
            ),
        ) from error


def _check_accepted(kind: Kind, request: Request, model: Model) -> None:
    """Refuse fields that the model does not accept, so that no field is silently ignored."""
    wrong = Refusals()
    fields = type(request).model_fields
    told = request.SPECIAL | (request.model_parameters() if model.pipeline is not None else frozenset())
    offered = sorted(name for name in told if model.accepts_field(kind.name, name))
    for name in sorted(told - set(offered)):
        if getattr(request, name) == fields[name].get_default(call_default_factory=True):
            continue
        hint = said("Leave it out, or choose another model.")
        if offered:
            hint = said(
                "Leave it out, or choose another model. {model} accepts {fields}.",
                model=model.name,
                fields=offered,
            )
        message = said("{field}: {model} does not accept this parameter.", field=name, model=model.name)
        wrong.note(FieldError.of(message, code="not_accepted", field=name, hint=hint))
    wrong.raise_any()


def _check_required(kind: Kind, request: Request, model: Model) -> None:
    """Refuse a request that lacks what the model's family or its pipeline requires."""
    for group in model.required_fields(kind.name):
        if not any(getattr(request, name) for name in group):
            raise InvalidRequest(
                said(
                    "{field}: {model} requires {fields}.",
                    field=group[0],
                    model=model.name,
                    fields=either(group),
                ),
                field=group[0],
                hint=type(request).model_fields[group[0]].description,
            )
