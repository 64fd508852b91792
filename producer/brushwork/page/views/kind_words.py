"""Titles and actions of kinds, also of kinds that are not installed; labels of the options of a job."""

import re

from brushwork_schemas.kinds.field_words import FieldWords
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.view import localized
from brushwork_schemas.options import OPTION_TRANSLATIONS, JobOptions

from brushwork.page.words import catalogue

# The name of a class before its share or score.
_SHARE = re.compile(r"[a-z]+(?= (?:< )?[0-9.]+ %)")
OPTION_WORDS = FieldWords(JobOptions, OPTION_TRANSLATIONS)


def kind_title(name: str, language: str) -> str:
    """Return the title of the kind with this name, or the name if the kind is not installed."""
    kind = all_kinds().get(name)
    return localized(kind.title, language) if kind else name


def kind_action(name: str, language: str) -> str:
    """Return the action of the kind with this name, such as "Generate a picture", or the name."""
    kind = all_kinds().get(name)
    return localized(kind.action, language) if kind else name


def class_name(label: str, language: str) -> str:
    """Return the name of a class of the built-in models, such as `circle`. Other names stay as they are."""
    return catalogue(language).get(f"class.{label}", label)


def with_class_names(headline: str, language: str) -> str:
    """Return a headline such as `circle 26 %` with the names of classes in a language."""
    return _SHARE.sub(lambda found: class_name(found[0], language), headline)


def error_name(code: str, language: str) -> str:
    """Return the name of an error code, such as "Invalid request", or the code if it is unknown."""
    return catalogue(language).get(f"code.{code}", code)
