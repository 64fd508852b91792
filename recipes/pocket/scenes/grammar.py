"""The grammar of prompts: descriptions of scenes, their English and Chinese words, and the test split.

A `Description` names some attributes of a scene and leaves the others open (None). `english` and `chinese`
write it as a prompt, `parse` reads a prompt, and `held_out` separates test descriptions from training ones.
"""

import hashlib
import re
from dataclasses import dataclass, replace

import numpy as np

from recipes.pocket.scenes.world import (
    BACKGROUNDS,
    COLOURS,
    POSITIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    Scene,
    SceneObject,
)

CHINESE = {
    **dict(zip(SHAPES, ["圆形", "正方形", "三角形", "星形", "心形", "菱形", "十字", "环形"], strict=True)),
    **dict(zip(COLOURS, ["红色", "绿色", "蓝色", "黄色", "橙色", "紫色", "青色", "粉色"], strict=True)),
    **dict(zip(BACKGROUNDS, ["白色", "黑色", "灰色", "米色"], strict=True)),
    **dict(zip(SIZES, ["小", "大"], strict=True)),
    **dict(zip(POSITIONS, ["左边", "右边", "上方", "下方", "中间"], strict=True)),
    **dict(zip(RELATIONS, ["左边", "右边", "上方", "下方"], strict=True)),
}
_PLACE_WORDS = dict(
    zip(
        POSITIONS,
        ("on the left", "on the right", "at the top", "at the bottom", "in the center"),
        strict=True,
    )
)
_RELATION_WORDS = dict(zip(RELATIONS, ("to the left of", "to the right of", "above", "below"), strict=True))
_MIRROR = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

NEVER_TRAINED_PAIRS = frozenset(
    {
        ("red", "heart"),
        ("green", "star"),
        ("blue", "ring"),
        ("yellow", "diamond"),
        ("purple", "triangle"),
        ("cyan", "square"),
    }
)
"""Pairs of colour and shape that no training picture shows: 6 of 64, each colour and shape at most once."""

HELD_OUT_SHARE = 0.1
SMALL_MAX_SPAN = 0.32
LARGE_MIN_SPAN = 0.50


@dataclass(frozen=True)
class Description:
    """Attributes of a scene. None leaves an attribute open.

    Args:
        pairs: (colour, shape) of the one or two objects, in the order named.
        background: one of `BACKGROUNDS`.
        size: one of `SIZES`, one object only.
        position: one of `POSITIONS`, one object only.
        relation: one of `RELATIONS`, of the first object to the second, two objects only.
    """

    pairs: tuple[tuple[str, str], ...]
    background: str | None = None
    size: str | None = None
    position: str | None = None
    relation: str | None = None


def english(description: Description) -> str:
    """Return the English prompt of a description: lower case, no full stop."""
    d = description
    names = [f"{colour} {shape}" for colour, shape in d.pairs]
    if d.relation:
        text = f"a {names[0]} {_RELATION_WORDS[d.relation]} a {names[1]}"
    else:
        text = f"a {d.size} {names[0]}" if d.size else f"a {names[0]}"
        text += f" {_PLACE_WORDS[d.position]}" if d.position else ""
    text = text.replace("a orange", "an orange")
    return f"{text} on a {d.background} background" if d.background else text


def chinese(description: Description) -> str:
    """Return the Chinese prompt of a description."""
    d = description
    ground = f"{CHINESE[d.background]}背景上" if d.background else ""
    names = [CHINESE[colour] + CHINESE[shape] for colour, shape in d.pairs]
    if d.relation:
        start = f"{ground}," if ground else ""
        return f"{start}{names[0]}在{names[1]}的{CHINESE[d.relation]}"
    where = ground + (CHINESE[d.position] if d.position else "")
    size = CHINESE[d.size] if d.size else ""
    return (f"{where}的" if where else "") + size + names[0]


def mirrored(description: Description) -> Description:
    """Return a description of the same scene with the two objects swapped."""
    if description.relation is None:
        return description
    return replace(description, pairs=description.pairs[::-1], relation=_MIRROR[description.relation])


def canonical(description: Description) -> Description:
    """Return the description with the relation "left of" or "above". One object stays unchanged."""
    return mirrored(description) if description.relation in ("right of", "below") else description


def _choice(words: tuple[str, ...]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_ENGLISH_NAME = f"an? (?:({_choice(SIZES)}) )?({_choice(tuple(COLOURS))}) ({_choice(SHAPES)})"
_ENGLISH_PATTERN = re.compile(
    f"{_ENGLISH_NAME}"
    f"(?: ({_choice(tuple(_PLACE_WORDS.values()))}))?"
    f"(?: ({_choice(tuple(_RELATION_WORDS.values()))}) {_ENGLISH_NAME})?"
    f"(?: on an? ({_choice(tuple(BACKGROUNDS))}) background)?"
)


def _terms(names: tuple[str, ...]) -> str:
    return _choice(tuple(CHINESE[name] for name in names))


_CHINESE_NAME = f"({_terms(tuple(COLOURS))})({_terms(SHAPES)})"
_CHINESE_ONE = re.compile(
    f"(?:({_terms(tuple(BACKGROUNDS))})背景上)?({_terms(POSITIONS)})?的?({_terms(SIZES)})?{_CHINESE_NAME}"
)
_CHINESE_TWO = re.compile(
    f"(?:({_terms(tuple(BACKGROUNDS))})背景上[,\uff0c]?)?"
    f"{_CHINESE_NAME}在{_CHINESE_NAME}的({_terms(RELATIONS)})"
)


def _back(names: tuple[str, ...], term: str | None) -> str | None:
    return next((name for name in names if CHINESE[name] == term), None)


def _key(words: dict[str, str], phrase: str | None) -> str | None:
    return next((key for key, value in words.items() if value == phrase), None)


def _parse_english(text: str) -> Description | None:
    match = _ENGLISH_PATTERN.fullmatch(text)
    if not match:
        return None
    size, colour, shape, place, relation, size_2, colour_2, shape_2, ground = match.groups()
    if relation and (size or size_2 or place):
        return None
    pairs = ((colour, shape), (colour_2, shape_2)) if relation else ((colour, shape),)
    return Description(pairs, ground, size, _key(_PLACE_WORDS, place), _key(_RELATION_WORDS, relation))


def _parse_chinese(text: str) -> Description | None:
    colours, grounds = tuple(COLOURS), tuple(BACKGROUNDS)
    if match := _CHINESE_TWO.fullmatch(text):
        ground, *names, relation = match.groups()
        pairs = tuple((str(_back(colours, names[i])), str(_back(SHAPES, names[i + 1]))) for i in (0, 2))
        return Description(pairs, _back(grounds, ground), relation=_back(RELATIONS, relation))
    if match := _CHINESE_ONE.fullmatch(text):
        ground, place, size, colour, shape = match.groups()
        pair = (str(_back(colours, colour)), str(_back(SHAPES, shape)))
        return Description((pair,), _back(grounds, ground), _back(SIZES, size), _back(POSITIONS, place))
    return None


def parse(prompt: str) -> Description | None:
    """Parse a prompt or caption in either language. Return None if it does not follow the grammar.

    Case, extra spaces and a final full stop are ignored.
    """
    text = " ".join(prompt.lower().split()).rstrip(" .\u3002")
    return _parse_english(text) or _parse_chinese(text.replace(" ", ""))


def held_out(description: Description) -> bool:
    """Return whether a description is reserved for tests: it has a never-trained pair, or one in ten by hash.

    Mirrored descriptions of one scene always give the same answer.
    """
    if NEVER_TRAINED_PAIRS & set(description.pairs):
        return True
    key = repr(canonical(description)).encode()
    draw = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") / 2**32
    return draw < HELD_OUT_SHARE


def _pick(names: tuple[str, ...], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]


def sample_full(num_objects: int, rng: np.random.Generator) -> Description:
    """Return a random description with all attributes. The size is None for one third of single objects."""
    pairs = tuple((_pick(tuple(COLOURS), rng), _pick(SHAPES, rng)) for _ in range(num_objects))
    ground = _pick(tuple(BACKGROUNDS), rng)
    if num_objects == 1:
        size = (*SIZES, None)[int(rng.integers(3))]
        return Description(pairs, ground, size, _pick(POSITIONS, rng))
    if pairs[0] == pairs[1]:
        return sample_full(num_objects, rng)
    return Description(pairs, ground, relation=_pick(RELATIONS, rng))


def drop_words(description: Description, rng: np.random.Generator, keep: float) -> Description:
    """Remove each optional attribute with probability 1 - `keep`."""
    kept = rng.random(3) < keep
    d = description
    return replace(
        d,
        background=d.background if kept[0] else None,
        size=d.size if kept[1] else None,
        position=d.position if kept[2] else None,
    )


def sample_training(
    num_objects: int, rng: np.random.Generator, keep: float = 0.75
) -> tuple[Description, Description]:
    """Return the full description of a training scene and the partial one of its prompt, neither held out."""
    while held_out(full := sample_full(num_objects, rng)):
        pass
    while held_out(partial := drop_words(full, rng, keep)):
        keep = min(keep + 0.01, 1.0)
    return full, partial


def sample_test(
    num_objects: int, rng: np.random.Generator, keep: float = 0.75, never_trained: bool = False
) -> Description:
    """Return a held-out description. Optional attributes are removed as in training.

    With `never_trained` it has a never-trained pair, otherwise it is held out by hash alone.
    """
    while True:
        description = drop_words(sample_full(num_objects, rng), rng, keep)
        is_rare = bool(NEVER_TRAINED_PAIRS & set(description.pairs))
        if held_out(description) and is_rare == never_trained:
            return description


def describe(scene: Scene) -> Description:
    """Return the full canonical description of a scene.

    The position of an object is the direction in which it is farthest from the middle, or `center` if it is
    within 0.08 of it. The size is None between small and large.
    """
    pairs = tuple((item.colour, item.shape) for item in scene.objects)
    if len(scene.objects) == 2:
        a, b = scene.objects
        return canonical(Description(pairs, scene.background, relation=_relation(a, b)))
    item = scene.objects[0]
    return Description(pairs, scene.background, _size(item.span), _position(item))


def _relation(a: SceneObject, b: SceneObject) -> str:
    dx, dy = b.x - a.x, b.y - a.y
    if abs(dx) > abs(dy):
        return "left of" if dx > 0 else "right of"
    return "above" if dy > 0 else "below"


def _size(span: float) -> str | None:
    if span <= SMALL_MAX_SPAN:
        return "small"
    return "large" if span >= LARGE_MIN_SPAN else None


def _position(item: SceneObject) -> str:
    dx, dy = item.x - 0.5, item.y - 0.5
    if max(abs(dx), abs(dy)) <= 0.08:
        return "center"
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "top" if dy < 0 else "bottom"
