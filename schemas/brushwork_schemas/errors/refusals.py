"""Several errors of one request, raised as one."""

from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_schemas.errors import InvalidRequest, Postponed, RequestError
from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.phrase import Phrase, said


class Refusals:
    """Gathers what is wrong with a request, so that all of it is reported at once."""

    MOST, MOST_NAMED = 100, 20

    def __init__(self) -> None:
        self._found: list[RequestError] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep a `RequestError` that is raised inside of the `with` block, and go on after the block.

        An error about a field that is wrong already is left out.
        """
        try:
            yield
        except Postponed:
            raise
        except RequestError as error:
            known = self._places()
            if not self._found or any(_place(each) not in known for each in error.errors):
                self._found.append(error)

    def note(self, wrong: FieldError) -> None:
        """Keep what is wrong with one field."""
        message, hint = wrong.said()
        error = InvalidRequest(message, field=wrong.field, hint=hint)
        error.errors = (wrong,)
        self._found.append(error)

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that are wrong, without the parts of nested ones."""
        return frozenset(name for _, name in self._places())

    def raise_any(self) -> None:
        """Raise the first error, with all others in its `errors`.

        Raises:
            RequestError: An error was noted.
        """
        if self._found:
            raise self.gathered()

    def gathered(self) -> RequestError:
        """Return the first error, with all others in its `errors`. At least one was noted."""
        first = self._found[0]
        if len(self._found) > 1:
            errors = self._errors()
            own = (first.field or "").partition(".")[0]
            named = {each.field.partition(".")[0] for each in errors if each.field}
            others = sorted(named - {own})[: self.MOST_NAMED]
            first.errors = errors
            if others:
                message = _without_others(first.message)
                first.message = said("{message} Also wrong: {fields}.", message=message, fields=others)
        return first

    def _places(self) -> set[tuple[int | None, str]]:
        return {_place(each) for error in self._found for each in error.errors}

    def _errors(self) -> list[FieldError]:
        found: dict[tuple[int | None, str], FieldError] = {}
        for error in self._found:
            for each in error.errors:
                found.setdefault((each.index, each.field or each.message), each)
        return list(found.values())[: self.MOST]


def _place(error: FieldError) -> tuple[int | None, str]:
    return error.index, (error.field or "").partition(".")[0]


def _without_others(message: str) -> str:
    """Return the message of an error that was gathered before, without the other fields that it names."""
    if not isinstance(message, Phrase) or not isinstance(inner := message.parameters.get("message"), str):
        return message
    if message.template.endswith(" Also wrong: {fields}."):
        return inner
    # Behind the index of a request.
    return said(message.template, **{**message.parameters, "message": _without_others(inner)})
