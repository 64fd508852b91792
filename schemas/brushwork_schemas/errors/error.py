"""The bases of all errors: whose fault it was, a stable code, and how to fix it."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.foreign_text import LONGEST_FIELD, visible_phrase

Fault = Literal["caller", "machine", "operator"]


class BrushworkError(Exception):
    """Base class of all errors.

    Args:
        message: What is wrong, in one sentence. It is bounded, and its control characters are escaped.
        field: Name of the parameter or setting that is wrong, if any.
        hint: How to fix it.
        job_id: Id of the job that the error is about, if it is about one.
    """

    code: ClassVar[str] = "internal"
    # Not a class variable: `NotFinite` decides for each error.
    fault: Fault = "machine"

    def __init__(
        self, message: str, *, field: str | None = None, hint: str | None = None, job_id: str | None = None
    ) -> None:
        # A message may quote a caller, a file or another library at any length.
        self.message = visible_phrase(message)
        super().__init__(self.message)
        self.field = visible_phrase(field, LONGEST_FIELD)
        self.hint = visible_phrase(hint)
        self.job_id = job_id
        # Index of the request, if several were submitted together.
        self.index: int | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class RequestError(BrushworkError):
    """The caller's fault. The same request will fail again.

    The gateway raises this class itself if it cannot read a request as HTTP, or a body as a form.
    """

    code = "bad_request"
    fault = "caller"
    _errors: tuple[FieldError, ...] = ()

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """Everything that is wrong with the request, each field once. The first is this error itself."""
        return self._errors or (
            FieldError.of(self.message, code=self.code, field=self.field, hint=self.hint, index=self.index),
        )

    @errors.setter
    def errors(self, errors: Sequence[FieldError]) -> None:
        self._errors = tuple(errors)


class MachineError(BrushworkError):
    """The machine's or the operator's fault. The same request may succeed elsewhere or later."""

    code = "machine_error"
