"""200 hostile pictures in all formats that are accepted: each rule several times, with other numbers."""

import itertools
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


def hostile_pictures(number: int = NUMBER, seed: int = 18) -> Iterator[tuple[str, bytes]]:
    """Yield names and files. Each is made when it is asked for: together they have gigabytes."""
    for index, (name, rule) in enumerate(itertools.islice(itertools.cycle(RULES.items()), number)):
        yield f"{name} {index}", rule(random.Random(f"{seed} {index}"))
