"""Detect the encoding of file names that an archive stores as bytes without saying how.

charset-normalizer drops the encodings in which the names are a mess. It was made for texts, and names are
short: 猫 and 狗 in GBK are also characters of Big5, Korean and Japanese. Among what is left, the encoding
wins that turns the names into what people write: common characters, likely syllables, accents inside of
words.
"""

import math
import unicodedata
from collections.abc import Callable, Iterable
from statistics import fmean

from charset_normalizer import from_bytes

UTF_8 = "utf-8"
# Common, less common, and hardly ever found in a name.
_COMMON, _LESS, _RARE, _ODD = -0.4, -1.5, -4.0, -5.0
# Names of many files tell no more than some of them, and take longer.
MOST_BYTES = 4096
_MESSY = 0.5
_SYLLABLES, _FIRST_SYLLABLE = 2350, 0xAC00
_INITIALS = (130, 12, 80, 90, 7, 80, 50, 45, 2, 90, 5, 240, 85, 3, 25, 15, 20, 20, 65)
_VOWELS = (200, 50, 10, 1, 100, 50, 50, 8, 100, 20, 3, 10, 15, 70, 10, 1, 10, 10, 100, 15, 170)
_FINALS = {0: 550, 1: 50, 4: 140, 8: 80, 16: 40, 17: 20, 19: 15, 20: 15, 21: 80}
_FREQUENT_CYRILLIC = set("оеаинтсрвлкмдпу")
_ACCENTED = set("àáâãäåæçèéêëìíîïñòóôõöøùúûüýßœ")


def detected(names: Iterable[bytes]) -> str:
    """Return the encoding of names, as Python calls it.

    Args:
        names: Names, of which at least one is not ASCII.
    """
    parts = {part for name in names if not name.isascii() for part in name.split(b"/") if not part.isascii()}
    # In none of these encodings, the slash is part of another character.
    together = b"/".join(parts)
    if _decodes(together, UTF_8):
        return UTF_8
    sample = sorted(parts, key=lambda part: (len(part), part))
    while len(sample) > 1 and sum(map(len, sample)) > MOST_BYTES:
        sample = sample[::2]
    # Most encodings fail on a few names already. Only the best of the others decodes all names.
    able = [each for each in _SCORES if _decodes(b"/".join(sample), each)]
    tidy = _tidy(b"\n".join(sample), able)
    # Of those with one score, the first.
    ranked = sorted(able, key=lambda each: (each in tidy, _score(sample, each)), reverse=True)
    return next((each for each in ranked if _decodes(together, each)), _LAST)


def _tidy(text: bytes, encodings: list[str]) -> list[str]:
    if not encodings:
        return []
    found = from_bytes(text, cp_isolation=encodings, threshold=_MESSY)
    names = {name for match in found for name in match.could_be_from_charset}
    return [each for each in encodings if each in names]


def _decodes(names: bytes, encoding: str) -> bool:
    try:
        characters = set(names.decode(encoding))
    except UnicodeDecodeError:
        return False
    # Control characters, private use and what is not assigned.
    return not any(unicodedata.category(each) in ("Cc", "Co", "Cn") for each in characters)


def _score(names: list[bytes], encoding: str) -> float:
    scores = [score for name in names for score in _SCORES[encoding](name.decode(encoding), encoding)]
    return fmean(scores) if scores else _ODD


def _of_chinese(text: str, encoding: str) -> Iterable[float]:
    for each in text:
        code = each.encode(encoding)
        if len(code) == 2 and each.isalpha():
            yield _of_place(code, encoding)
        elif not each.isascii():
            yield _RARE if each.isalpha() else _LESS


def _of_place(code: bytes, encoding: str) -> float:
    """How common a character is by its place: the standards have the common ones first."""
    number = int.from_bytes(code)
    if encoding == "gb18030":
        is_old = code[1] >= 0xA1
        if not is_old or code[0] < 0xB0:
            return _RARE
        return _COMMON if code[0] <= 0xD7 else _LESS
    if encoding == "big5":
        return 1.5 * _COMMON if 0xA440 <= number <= 0xC67E else _RARE
    return 1.5 * _COMMON if 0x889F <= number <= 0x9872 else _RARE


def _of_japanese(text: str, encoding: str) -> Iterable[float]:
    for each in text:
        name = unicodedata.name(each, "")
        if name.startswith(("HIRAGANA", "KATAKANA")):
            yield 1.0
        elif name.startswith("HALFWIDTH"):
            yield _LESS
        elif not each.isascii():
            yield from _of_chinese(each, encoding)


def _of_korean(text: str, encoding: str) -> Iterable[float]:
    for each in text:
        index = ord(each) - _FIRST_SYLLABLE
        if not 0 <= index < 19 * 21 * 28:
            if not each.isascii():
                yield _RARE
            continue
        initial, vowel, final = index // 588, index % 588 // 28, index % 28
        likely = _INITIALS[initial] * _VOWELS[vowel] * _FINALS.get(final, 1) / 1e9
        # In relation to any syllable of the standard; those outside of it are hardly ever written.
        is_old = all(byte >= 0xA1 for byte in each.encode(encoding))
        yield max(math.log(likely * _SYLLABLES), _RARE) if is_old else _RARE


def _of_cyrillic(text: str, encoding: str) -> Iterable[float]:
    for before, each, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if each.isascii():
            continue
        is_mixed = any(other.isascii() and other.isalpha() for other in (before, after))
        is_letter = unicodedata.name(each, "").startswith("CYRILLIC")
        if is_mixed or not is_letter or (each.isupper() and before.islower()):
            yield _ODD
        else:
            yield -0.2 if each.lower() in _FREQUENT_CYRILLIC else -1.0


def _of_latin(text: str, encoding: str) -> Iterable[float]:
    for before, each, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if each.isascii():
            continue
        is_inside = any(other.isascii() and other.isalpha() for other in (before, after))
        if not each.isalpha() or not is_inside or (each.isupper() and before.islower()):
            yield _ODD
        else:
            yield -0.5 if each.lower() in _ACCENTED else _LESS


_SCORES: dict[str, Callable[[str, str], Iterable[float]]] = {
    "gb18030": _of_chinese,
    "big5": _of_chinese,
    "cp932": _of_japanese,
    "cp949": _of_korean,
    "cp1251": _of_cyrillic,
    "cp866": _of_cyrillic,
    "cp1252": _of_latin,
    "cp850": _of_latin,
    "cp437": _of_latin,
}
# Can decode anything.
_LAST = "cp437"
