"""Pydantic's errors in words: which field is wrong, and why."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

# Above this, floats are not exact.
WHOLE_UP_TO = 2**53
LONGEST_FIELD = 100
LONGEST_REASON = 200
_SUBJECT = re.compile(r"[A-Z][a-z]+ should ")
_WORDS = {"Field required": "is required", "Extra inputs are not permitted": "is not a known field"}


@dataclass(frozen=True)
class InvalidField:
    """A field that pydantic refused.

    Args:
        name: Name of the field, with dots between the parts of a nested one; empty for the whole value.
        reason: Why, such as `must be greater than 0`, without a full stop.
    """

    name: str
    reason: str


def first_invalid(error: ValidationError | Sequence[Any], *, skip: int = 0) -> InvalidField:
    """Return the first field that is wrong.

    Args:
        error: The error, or its `errors()`.
        skip: Leading parts of the place to leave out. FastAPI puts `query` or `body` before the field.
    """
    problems = error.errors(include_input=False) if isinstance(error, ValidationError) else error
    first: Mapping[str, Any] = problems[0]
    name = ".".join(str(part) for part in first["loc"][skip:])
    return InvalidField(name[:LONGEST_FIELD], reason_of(first["msg"]))


def whole_numbers(value: Any) -> Any:
    """Return `value` with floats like 4.0 as integers, also inside of mappings and lists.

    In JSON, 4.0 and 4 are the same number. A field of real numbers accepts integers, too.
    """
    if isinstance(value, Mapping):
        return {name: whole_numbers(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(whole_numbers(each) for each in value) if type(value) in (list, tuple) else value
    if isinstance(value, float) and value.is_integer() and abs(value) <= WHOLE_UP_TO:
        return int(value)
    return value


def reason_of(message: str) -> str:
    """Return a message of pydantic as the end of a sentence that begins with the field's name."""
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _WORDS.get(message, _SUBJECT.sub("must ", message, count=1))[:LONGEST_REASON]
