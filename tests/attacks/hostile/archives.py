"""200 hostile archives, zip, tar and tar.gz: each rule several times, with other numbers."""

import random
from collections.abc import Iterator

from tests.attacks.hostile import tars, zips
from tests.attacks.hostile.parts import Rule

NUMBER = 200
RULES: tuple[Rule, ...] = (*zips.RULES, *tars.RULES)


def hostile_archive(index: int, seed: int = 18) -> tuple[str, bytes]:
    """Return the name and the file of one of the archives."""
    rule = RULES[index % len(RULES)]
    return f"{rule.__name__.replace('_', ' ')} {index}", rule(random.Random(f"{seed} {index}"))


def hostile_archives(number: int = NUMBER, seed: int = 18) -> Iterator[tuple[str, bytes]]:
    """Yield names and files. Each is made when it is asked for."""
    for index in range(number):
        yield hostile_archive(index, seed)
