"""Completes and checks the field `explain` of a request."""

from collections.abc import Sequence
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.errors.refusals import Refusals
from brushwork_schemas.kinds.explanations.content_words import content_words, places_of
from brushwork_schemas.kinds.explanations.request import PARAMETERS, Explain, Method, method_of
from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.phrase import said


def completed(explain: Explain, methods: Sequence[Method]) -> Explain:
    """Return the choice with its method, which is the first of the kind by default.

    Args:
        explain: What the caller asked for.
        methods: The methods of the kind.
    """
    return explain if explain.method or not methods else explain.model_copy(update={"method": methods[0]})


def check_explain(explain: Explain, kind: str, methods: Sequence[Method]) -> None:
    """Refuse a method that the kind does not offer, and settings that the method does not read.

    Args:
        explain: The complete choice.
        kind: Name of the kind.
        methods: The methods of the kind.

    Raises:
        InvalidRequest: A field of the choice is wrong; each is named.
    """
    if explain.method is None or explain.method not in methods:
        raise InvalidRequest(
            said("explain.method: {kind} does not offer {method!r}.", kind=kind, method=explain.method),
            field="explain.method",
            hint=said("Choose one of {offered}.", offered=list(methods)),
        )
    wrong, read = Refusals(), PARAMETERS[explain.method]
    fields = type(explain).model_fields
    for name in sorted(explain.model_fields_set - read - {"method"}):
        if getattr(explain, name) == fields[name].default:
            continue
        field = f"explain.{name}"
        message = said("{field}: the method {method} does not read this.", field=field, method=explain.method)
        hint = said("Leave it out. {method} reads {fields}.", method=explain.method, fields=sorted(read))
        wrong.note(FieldError.of(message, code="not_accepted", field=field, hint=hint))
    wrong.raise_any()


def check_words(request: Any) -> None:
    """Refuse words to explain that the prompt of a complete request does not contain.

    Raises:
        InvalidRequest: The prompt lacks a word.
    """
    prompt = getattr(request, "prompt", None)
    if method_of(request) != "words" or not isinstance(prompt, str):
        return
    own = list(content_words(prompt))
    if absent := [word for word in request.explain.words or () if not places_of(word, prompt)]:
        raise InvalidRequest(
            said("explain.words: the prompt does not contain {words}.", words=absent),
            field="explain.words",
            hint=said("Its content words are {words}.", words=own) if own else None,
        )
