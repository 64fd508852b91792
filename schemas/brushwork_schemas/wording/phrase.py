"""Texts that keep the template and the parameters they were made from, so that they can be translated later.

    said("{field}: {value} exceeds the limit of {model}, {limit}.", field="width", value=264, ...)

The result is a `str`: the English text. `translation.translated` returns it in another language.
"""

from collections.abc import Mapping, Sequence
from typing import Any

# In English, the parts of a list are separated by this.
COMMA = ", "


class Phrase(str):
    """An English text, with its template and parameters.

    Args:
        text: The text.
        template: The template, or another key of the translations.
        parameters: Values of the template: text, numbers, phrases, or lists of them. The value of a parameter
            named `field` is the name of a field; the page shows the label of the field instead.
    """

    template: str
    parameters: Mapping[str, Any]

    def __new__(
        cls, text: str, template: str | None = None, parameters: Mapping[str, Any] | None = None
    ) -> "Phrase":
        """Return the text with its parts. Without a template, the text is its own template."""
        made = super().__new__(cls, text)
        made.template = text if template is None else template
        made.parameters = dict(parameters or {})
        return made


class Private(str):
    """A value that only the operator may read: an address, a path, or the text of another program's error.

    It stands in the text of a `Phrase` and in logs. `disclosure.for_caller` shows `instead` in its place.

    Args:
        text: The value.
        instead: What callers read.
    """

    instead: Phrase

    def __new__(cls, text: str, instead: Phrase) -> "Private":
        """Return the value with what callers read in its place."""
        made = super().__new__(cls, text)
        made.instead = instead
        return made


def said(template: str, /, **parameters: object) -> Phrase:
    """Return a text that can be translated.

    Args:
        template: The English text, with `{name}` for each parameter, as `str.format` takes it. It is the key
            of the translations.
        parameters: Values of the template. Texts, numbers, phrases and lists of them are kept; all else
            becomes text.
    """
    kept = {name: _kept(value) for name, value in parameters.items()}
    return Phrase(template.format(**{name: _joined(value) for name, value in kept.items()}), template, kept)


def private(value: object, instead: str = "the log has the reason") -> Private:
    """Return a value of a text that callers must not read.

    Args:
        value: An address, a path, or an error of another program.
        instead: What callers read in its place, as a template without parameters.
    """
    return Private(str(value), said(instead))


def either(names: Sequence[object]) -> Phrase:
    """Return names as `a`, `a or b`, or `a, b or c`."""
    *first, last = names
    return said("{names} or {last}", names=first, last=last) if first else said("{last}", last=last)


def template_of(text: str | None) -> str | None:
    """Return the template of a text; None for a plain text, which is its own template."""
    return text.template if isinstance(text, Phrase) else None


def parameters_of(text: str | None) -> dict[str, Any]:
    """Return the parameters of a text as JSON can hold them. A plain text has none."""
    given = text.parameters if isinstance(text, Phrase) else {}
    return {name: _as_json(value) for name, value in given.items()}


def restored(text: str, template: str | None, parameters: Mapping[str, Any] | None) -> str:
    """Return a stored text as it was before: with template and parameters, if it had any.

    Args:
        text: The text.
        template: Its template; None if it had none.
        parameters: What `parameters_of` returned.
    """
    if not template:
        return text
    return Phrase(text, template, {name: _from_json(value) for name, value in (parameters or {}).items()})


def _kept(value: object) -> Any:
    if isinstance(value, Phrase | Private | bool | int | float):
        return value
    # Members of a StrEnum are texts, but JSON readers do not know their class.
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping | bytes) or not isinstance(value, Sequence | set | frozenset):
        return str(value)
    return tuple(_kept(each) for each in value)


def _joined(value: Any) -> Any:
    return COMMA.join(map(str, value)) if isinstance(value, tuple) else value


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, Phrase):
        return {"text": str(value), "template": value.template, "parameters": parameters_of(value)}
    if isinstance(value, Private):
        return {"text": str(value), "private": value.instead.template}
    if isinstance(value, float) and value - value != 0:
        # JSON has no infinity and no NaN.
        return str(value)
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(each) for each in value)
    if isinstance(value, dict) and (instead := value.get("private")):
        return private(value.get("text", ""), str(instead))
    if isinstance(value, dict):
        return restored(str(value.get("text", "")), value.get("template"), value.get("parameters"))
    return value
