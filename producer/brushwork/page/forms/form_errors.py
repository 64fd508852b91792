"""The errors of a refused form: each under its field, in the language of the reader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brushwork_schemas.errors import BrushworkError, RequestError
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.wording.field_error import FieldError

from brushwork.page.forms.form_field import FormField
from brushwork.page.words import Words


@dataclass(frozen=True)
class FormError:
    """What is wrong with a field, or with the form.

    Args:
        message: What is wrong.
        hint: How to fix it; may be empty.
    """

    message: str
    hint: str = ""


@dataclass(frozen=True)
class FormErrors:
    """The errors of a form.

    Args:
        by_field: The errors of the fields that the form shows, by name.
        others: The errors that belong to no field of the form.
        labels: Labels of the fields that are wrong, by name, in the order of the form.
    """

    by_field: Mapping[str, FormError]
    others: Sequence[FormError]
    labels: Mapping[str, str]

    @classmethod
    def of(cls, error: BrushworkError | None, fields: Sequence[FormField], words: Words) -> "FormErrors":
        """Return the errors of a request in the language of the reader.

        Args:
            error: The error that refused the form; None if there was none.
            fields: The fields of the form.
            words: The texts of the page.
        """
        shown = {each.name: each.label for each in fields}
        by_field: dict[str, FormError] = {}
        others: list[FormError] = []
        for each in _errors_of(error):
            place = each.field or ""
            name = place if place in shown else place.partition(".")[0]
            made = _form_error(each, words, shown)
            if name not in shown:
                others.append(made)
            elif name not in by_field:
                by_field[name] = made
        return cls(by_field, others, {name: label for name, label in shown.items() if name in by_field})

    @property
    def first(self) -> str | None:
        """Name of the first field that is wrong."""
        return next(iter(self.labels), None)


def _errors_of(error: BrushworkError | None) -> Sequence[FieldError]:
    if error is None:
        return ()
    if isinstance(error, RequestError):
        return error.errors
    return (FieldError.of(error.message, code=error.code, field=error.field, hint=error.hint),)


def _form_error(error: FieldError, words: Words, shown: Mapping[str, str]) -> FormError:
    if error.code == "missing" and error.field in shown:
        return FormError(str(words("form.required")))
    titles = {kind.name: kind.title_in(words.language) for kind in all_kinds().values()}
    read = error.for_reader().in_language(words.language, {**titles, **shown})
    message = read.message
    if error.message.startswith(f"{error.field}: "):
        # The label above the error names the field already.
        _, mark, rest = message.partition("：" if "：" in message else ": ")
        message = rest if mark else message
    return FormError(message[:1].upper() + message[1:], read.hint or "")
