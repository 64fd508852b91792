"""Pydantic's errors in words: which fields are wrong, and why."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from brushwork_schemas.wording.phrase import Phrase, said

# Above this, floats are not exact.
WHOLE_UP_TO = 2**53
LONGEST_FIELD = 100
LONGEST_REASON = 200
_SUBJECT = re.compile(r"[A-Z][a-z]+ should ")
_WORDS = {"Field required": "is required", "Extra inputs are not permitted": "is not a known field"}
# What the patterns of fields mean. A pattern itself tells most readers nothing.
PATTERNS = {
    r"^[\x21-\x7e]*$": said("must consist of letters, digits and punctuation of ASCII, without spaces"),
    r"^[\x21-\x7e]+$": said("must consist of letters, digits and punctuation of ASCII, without spaces"),
    r"^[0-9a-f]{64}$": said("must be a SHA-256 of 64 hexadecimal digits in lower case"),
    r"^[0-9a-f]{40}$": said("must be a commit of 40 hexadecimal digits in lower case"),
    r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$": said("must be a W3C traceparent"),
    r"^[^\x00-\x1f\x7f]*$": said("must not contain control characters"),
    r"^[^\x00-\x1f\x7f]+$": said("must not contain control characters"),
    r"^[^\x00]*$": said("must not contain the character U+0000"),
    r"^[A-Za-z0-9_-]+$": said("must consist of letters, digits, _ and -"),
    r"^[A-Za-z0-9_]+$": said("must consist of letters, digits and _"),
    r"^[A-Za-z0-9._-]+$": said("must consist of letters, digits, ., _ and -"),
    r"^[A-Za-z0-9][A-Za-z0-9._:-]*$": said(
        "must begin with a letter or digit, and consist of letters, digits, ., _, : and -"
    ),
    r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?$": said("must have the form OWNER/NAME"),
    r"^[A-Za-z0-9_]+\.[A-Za-z0-9_]+$": said("must have the form CLASS.MEMBER"),
    "^https?://": said("must start with https:// or http://"),
}
_QUOTED = re.compile(r"'([^']*)'")


@dataclass(frozen=True)
class InvalidField:
    """A field that pydantic refused.

    Args:
        name: Name of the field, with dots between the parts of a nested one; empty for the whole value.
        reason: Why, such as `must be greater than 0`, without a full stop. It can be translated.
        type: Type of pydantic's error, such as `greater_than`.
    """

    name: str
    reason: str
    type: str = ""


def whole_numbers(value: Any) -> Any:
    """Return `value` with floats like 4.0 as integers, also inside of mappings and lists.

    In JSON, 4.0 and 4 are the same number. A field of real numbers accepts integers, too.
    """
    if isinstance(value, Mapping):
        return {name: whole_numbers(each) for name, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(whole_numbers(each) for each in value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= WHOLE_UP_TO:
        return int(value)
    return value


def first_invalid(error: ValidationError | Sequence[Any], *, skip: int = 0) -> InvalidField:
    """Return the first field that is wrong.

    Args:
        error: The error, or its `errors()`.
        skip: Leading parts of the place to leave out. FastAPI puts `query` or `body` before the field.
    """
    return all_invalid(error, skip=skip)[0]


def all_invalid(error: ValidationError | Sequence[Any], *, skip: int = 0) -> Sequence[InvalidField]:
    """Return all fields that are wrong, each once, in the order in which they were checked.

    Args:
        error: The error, or its `errors()`.
        skip: Leading parts of the place to leave out.
    """
    problems = error.errors() if isinstance(error, ValidationError) else error
    found: dict[str, InvalidField] = {}
    for problem in problems:
        name = place_of(problem, skip=skip)
        found.setdefault(name, InvalidField(name, reason_of_problem(problem), str(problem.get("type", ""))))
    return list(found.values())


def place_of(problem: Mapping[str, Any], *, skip: int = 0) -> str:
    """Return the name of the field that one of pydantic's errors is about."""
    return ".".join(str(part) for part in problem["loc"][skip:])[:LONGEST_FIELD]


def reason_of_problem(problem: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors as the end of a sentence that begins with the field's name.

    The text can be translated: its template is `pydantic.<type>`, or that of the exception that a validator
    raised.
    """
    context = dict(problem.get("ctx") or {})
    raised = context.get("error")
    if isinstance(raised, Exception):
        given = raised.args[0] if raised.args else ""
        return given if isinstance(given, Phrase) else str(given)[:LONGEST_REASON]
    if context.get("pattern") in PATTERNS:
        return PATTERNS[context["pattern"]]
    if context.get("field_type") == "Value" and isinstance(problem.get("input"), str):
        # A length that pydantic checks after a validator: it does not know that the value is a text.
        return _length_of_text(context)
    text = reason_of(problem["msg"])
    if not problem.get("type"):
        return text
    if isinstance(context.get("expected"), str):
        # Pydantic writes `'a', 'b' or 'c'`.
        context["expected"] = tuple(_QUOTED.findall(context["expected"])) or context["expected"]
    return Phrase(text, f"pydantic.{problem['type']}", {name: _plain(each) for name, each in context.items()})


def reason_of(message: str) -> str:
    """Return a message of pydantic as the end of a sentence that begins with the field's name."""
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _WORDS.get(message, _SUBJECT.sub("must ", message, count=1))[:LONGEST_REASON]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        # A limit of a float field, such as 50.0.
        return int(value)
    return value if isinstance(value, tuple | int | float | str) else str(value)


def _length_of_text(context: Mapping[str, Any]) -> Phrase:
    if "max_length" in context:
        return said("must have at most {max_length} characters", max_length=context["max_length"])
    return said("must have at least {min_length} characters", min_length=context["min_length"])
