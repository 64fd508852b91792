"""The Chinese texts of errors and warnings, by their English templates.

The texts are in TOML files, as those of the page are: one file for each layer, with the English template as
key, as in gettext. `tomllib` reads them, so neither a package nor compiled catalogues are needed. Gettext's
plural forms are not needed: Chinese has none.
"""

import logging
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from brushwork_schemas.wording.phrase import COMMA, Phrase, template_of

LOGGER = logging.getLogger(__name__)
FOLDER = Path(__file__).parent
ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)
_COMMAS = {ENGLISH: COMMA, CHINESE: "、"}
_READER: ContextVar[str] = ContextVar("brushwork_reader_language", default=ENGLISH)
# Texts of plug-ins: language, template, translation.
_ADDED: dict[str, dict[str, str]] = {CHINESE: {}}


def translated(text: str, language: str, labels: Mapping[str, str] | None = None) -> str:
    """Return a text in a language; in English if it has no translation.

    Args:
        text: A text that `phrase.said` made, or a plain text without parameters.
        language: `en` or `zh`.
        labels: Labels of fields by name. If given, labels take the place of the names of fields.
    """
    template = _translation(template_of(text) or str(text), language)
    if template is None:
        return str(text)
    if labels is not None:
        template = _labelled(template, labels)
    if not isinstance(text, Phrase):
        return template
    values = {name: _value(name, value, language, labels) for name, value in text.parameters.items()}
    try:
        return template.format(**values)
    except (LookupError, ValueError, AttributeError) as error:
        # A stored text of another version may have other parameters.
        LOGGER.warning("The translation of %r does not fit its parameters: %s", text.template, error)
        return str(text)


def add_translations(language: str, texts: Mapping[str, str]) -> None:
    """Add the texts of a plug-in. Built-in texts come first."""
    _ADDED.setdefault(language, {}).update(texts)


def chosen_language(accepted: str) -> str:
    """Return the first known language of an `Accept-Language` header, else English."""
    ranges = [each.strip().partition(";") for each in accepted.split(",")]
    wanted = [(name[:2].lower(), _weight(parameter)) for name, _, parameter in ranges]
    known = [(name, weight) for name, weight in wanted if name in LANGUAGES and weight > 0]
    return max(known, key=lambda each: each[1])[0] if known else ENGLISH


def reader_language() -> str:
    """Return the language of the reader whose request is answered; English if none was set."""
    return _READER.get()


@contextmanager
def read_in(language: str) -> Iterator[None]:
    """Set the language of the reader inside of the `with` block."""
    token = _READER.set(language if language in LANGUAGES else ENGLISH)
    try:
        yield
    finally:
        _READER.reset(token)


@cache
def texts(language: str) -> Mapping[str, str]:
    """Return the built-in translations of a language by template."""
    found: dict[str, str] = {}
    for file in sorted((FOLDER / language).glob("*.toml")):
        found |= tomllib.loads(file.read_text("utf-8"))
    return found


def _translation(template: str, language: str) -> str | None:
    if language == ENGLISH:
        return None
    known = texts(language).get(template)
    return _ADDED.get(language, {}).get(template) if known is None else known


def _labelled(template: str, labels: Mapping[str, str]) -> str:
    """Return a template with the names of fields that it mentions replaced by their labels."""
    parts = re.split(r"(\{[^{}]*\})", template)
    return "".join(
        part if part.startswith("{") else _WORD.sub(lambda word: labels.get(word[0], word[0]), part)
        for part in parts
    )


def _value(name: str, value: Any, language: str, labels: Mapping[str, str] | None) -> Any:
    if isinstance(value, tuple):
        return _COMMAS[language].join(str(_value(name, each, language, labels)) for each in value)
    if isinstance(value, Phrase):
        return translated(value, language, labels)
    if isinstance(value, str):
        if name.startswith(_NAMES):
            return (labels or {}).get(value.partition(".")[0], value)
        return translated(value, language) if name in _TEXTS else value
    return value


# Parameters whose values are names of fields or kinds, which have labels.
_NAMES = ("field", "kind", "other")
_WORD = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]", re.ASCII)
# Parameters whose value is itself a text without parameters, such as the reason of a failure.
_TEXTS = ("reason", "message", "hint", "detail")


def _weight(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0
