"""200 hostile pictures in all formats that are accepted: each rule several times, with other numbers."""

import random
from collections.abc import Iterator

from tests.attacks.hostile import boxes, jpegs, pngs, profiles, rasters, tiffs, webps
from tests.attacks.hostile.parts import Rule

NUMBER = 200
RULES: dict[str, Rule] = {
    f"{module.__name__.rpartition('.')[2]} {rule.__name__.replace('_', ' ')}": rule
    for module in (pngs, jpegs, rasters, tiffs, webps, boxes, profiles)
    for rule in module.RULES
}


def hostile_picture(index: int, seed: int = 18) -> tuple[str, bytes]:
    """Return the name and the file of one of the pictures."""
    name, rule = list(RULES.items())[index % len(RULES)]
    return f"{name} {index}", rule(random.Random(f"{seed} {index}"))


def hostile_pictures(number: int = NUMBER, seed: int = 18) -> Iterator[tuple[str, bytes]]:
    """Yield names and files. Each is made when it is asked for: together they have gigabytes."""
    for index in range(number):
        yield hostile_picture(index, seed)
