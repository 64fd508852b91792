"""The page's words in English and Chinese, and which of the two a visitor reads."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

FOLDER = Path(__file__).parent / "words"
LANGUAGES = ("en", "zh")
COOKIE = "brushwork_language"


class Words:
    """The words of one language, by dotted key.

    Args:
        language: `en` or `zh`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = catalogue(language)

    @property
    def other(self) -> str:
        """The other language."""
        return LANGUAGES[1 - LANGUAGES.index(self.language)]

    @property
    def tag(self) -> str:
        """The language for HTML's `lang`."""
        return {"en": "en", "zh": "zh-Hans"}[self.language]

    def __call__(self, key: str, /, **values: object) -> Markup:
        """The words of that key; what is put into them is escaped unless it is markup."""
        return Markup(self._words[key]).format(**values)  # noqa: S704 - the catalogue is ours

    def get(self, key: str, otherwise: str) -> str:
        """The words of that key, or others where there are none: fields and kinds may be newer than these."""
        return self._words.get(key, otherwise)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All words of a language."""
    return dict(_flat(tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))))


def chosen_language(cookie: str | None, accepted: str) -> str:
    """The language of the switch, else the first known one of `Accept-Language`, else English."""
    if cookie in LANGUAGES:
        return str(cookie)
    signals = [wish.strip().partition(";") for wish in accepted.split(",")]
    signals.sort(key=lambda wish: -_weight(wish[2]))
    known = (name[:2].lower() for name, _, _ in signals if name[:2].lower() in LANGUAGES)
    return next(known, LANGUAGES[0])


def _weight(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in table.items():
        key = f"{before}{name}"
        pairs += _flat(value, f"{key}.") if isinstance(value, dict) else [(key, value)]
    return pairs
