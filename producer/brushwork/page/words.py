"""The texts of the page in English and Chinese, and the choice of the language."""

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
    """The texts of one language, by dotted key.

    Args:
        language: `en` or `zh`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = catalogue(language)

    @property
    def other(self) -> str:
        """The code of the other language."""
        return LANGUAGES[1 - LANGUAGES.index(self.language)]

    @property
    def tag(self) -> str:
        """The language for the HTML attribute `lang`."""
        return {"en": "en", "zh": "zh-Hans"}[self.language]

    def __call__(self, key: str, /, **values: object) -> Markup:
        """Return the text of a key with values filled in. Values are escaped unless they are markup."""
        return Markup(self._words[key]).format(**values)  # noqa: S704 - the texts are part of the package

    def get(self, key: str, otherwise: str) -> str:
        """Return the text of a key, or `otherwise` if there is none."""
        return self._words.get(key, otherwise)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return all texts of a language by key."""
    return dict(_flat(tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))))


def chosen_language(cookie: str | None, accepted: str) -> str:
    """Return the language of the cookie, else the first known one of `Accept-Language`, else English."""
    if cookie in LANGUAGES:
        return str(cookie)
    ranges = [each.strip().partition(";") for each in accepted.split(",")]
    ranges.sort(key=lambda each: -_weight(each[2]))
    known = (name[:2].lower() for name, _, _ in ranges if name[:2].lower() in LANGUAGES)
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
