"""Titles and actions of kinds, also of kinds that are not installed; labels of the options of a job."""

from brushwork_schemas.kinds.field_words import FieldWords
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.view import localized
from brushwork_schemas.options import OPTION_TRANSLATIONS, JobOptions

OPTION_WORDS = FieldWords(JobOptions, OPTION_TRANSLATIONS)


def kind_title(name: str, language: str) -> str:
    """Return the title of the kind with this name, or the name if the kind is not installed."""
    kind = all_kinds().get(name)
    return localized(kind.title, language) if kind else name


def kind_action(name: str, language: str) -> str:
    """Return the action of the kind with this name, such as "Generate a picture", or the name."""
    kind = all_kinds().get(name)
    return localized(kind.action, language) if kind else name
