"""Edits of a picture of one object: the grammar of instructions, and pictures before and after an edit.

An instruction gives the object another colour or another place. All that it does not name stays as it is.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import CHINESE, NEVER_TRAINED_PAIRS

CANVAS = 64
_SPANS = ((0.24, 0.32), (0.34, 0.48), (0.50, 0.62))
_MARGIN = 0.02
_OFFSET, _LEAST_OFFSET = 0.75, 0.10
_AXES = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "center": (0, 0)}
_SHARE_OF_COLOURS = 0.25
"""The share of edits of the colour, which are easier to learn than those of the place."""
_JITTER, _NOISE, _SOFTNESS = 12.0, 4.0, 1.0

_ENGLISH_COLOUR = ("turn it {}", "paint it {}", "change it to {}", "make the object {}", "make it {} please")
_ENGLISH_PLACE = ("put it to the {}", "move the object to the {}", "place it to the {}", "move it {}")
_CHINESE_COLOUR = ("将它变成{}", "把它改成{}", "让它变成{}", "变成{}", "把它涂成{}", "请把它变成{}")
_CHINESE_PLACE = ("将它移到{}", "把它移动到{}", "把它放到{}", "移到{}", "请把它移到{}")


@dataclass(frozen=True)
class Instruction:
    """What an edit changes. One of the two is set, or none for an empty instruction, which changes nothing.

    Args:
        colour: One of `world.COLOURS`.
        position: One of `world.POSITIONS`.
    """

    colour: str | None = None
    position: str | None = None


@dataclass(frozen=True)
class Edit:
    """A scene of one object, an instruction, and the scene that it asks for."""

    before: world.Scene
    instruction: Instruction
    after: world.Scene


def english(instruction: Instruction) -> str:
    """Return the English instruction: `make it blue` or `move it to the left`."""
    if instruction.colour:
        return f"make it {instruction.colour}"
    return f"move it to the {instruction.position}" if instruction.position else ""


def chinese(instruction: Instruction) -> str:
    """Return the Chinese instruction: `把它变成蓝色` or `把它移到左边`."""
    if instruction.colour:
        return f"把它变成{CHINESE[instruction.colour]}"
    return f"把它移到{CHINESE[instruction.position]}" if instruction.position else ""


def phrases(instruction: Instruction) -> list[str]:
    """Return other ways of people to say the same in both languages."""
    if name := instruction.colour:
        return [form.format(name) for form in _ENGLISH_COLOUR] + [
            form.format(CHINESE[name]) for form in _CHINESE_COLOUR
        ]
    if name := instruction.position:
        return [form.format(name) for form in _ENGLISH_PLACE] + [
            form.format(CHINESE[name]) for form in _CHINESE_PLACE
        ]
    return [""]


def parse(prompt: str) -> Instruction | None:
    """Parse an instruction in either language. Return None if it does not follow the grammar.

    Case, extra spaces and a final full stop are ignored.
    """
    text = " ".join(prompt.lower().split()).rstrip(" .。")
    compact = text.replace(" ", "")
    for instruction in instructions():
        if text == english(instruction) or compact == chinese(instruction):
            return instruction
    return None


def instructions() -> list[Instruction]:
    """Return all instructions of the grammar."""
    colours = [Instruction(colour=name) for name in world.COLOURS]
    return colours + [Instruction(position=name) for name in world.POSITIONS]


def prompt_for(instruction: Instruction, rng: np.random.Generator) -> str:
    """Return a training prompt: in three of four cases by the grammar, else in other words."""
    if rng.random() < 0.25:
        others = phrases(instruction)
        return others[int(rng.integers(len(others)))]
    return english(instruction) if rng.random() < 0.5 else chinese(instruction)


def sample_edit(
    rng: np.random.Generator, never_trained: bool = False, instruction: Instruction | None = None
) -> Edit:
    """Return a random edit of one object, anywhere on the canvas and of any size of the world.

    Args:
        rng: The random numbers.
        never_trained: Whether the object has a never-trained pair of colour and shape before or after the
            edit. Training edits have none.
        instruction: The instruction; by default a random one.
    """
    while True:
        edit = _random_edit(rng, instruction)
        if _has_never_trained_pair(edit) == never_trained:
            return edit


def _random_edit(rng: np.random.Generator, instruction: Instruction | None) -> Edit:
    before = world.Scene(_pick(tuple(world.BACKGROUNDS), rng), (random_object(rng),))
    if instruction is None:
        is_colour = rng.random() < _SHARE_OF_COLOURS
        colours, positions = tuple(world.COLOURS), world.POSITIONS
        instruction = (
            Instruction(colour=_pick(colours, rng))
            if is_colour
            else Instruction(position=_pick(positions, rng))
        )
    return Edit(before, instruction, edited(before, instruction))


def _has_never_trained_pair(edit: Edit) -> bool:
    items = (*edit.before.objects, *edit.after.objects)
    return any((item.colour, item.shape) in NEVER_TRAINED_PAIRS for item in items)


def random_object(rng: np.random.Generator) -> world.SceneObject:
    """Return an object of a random shape, colour and size; half of them at a named place, half anywhere."""
    span = float(rng.uniform(*_SPANS[int(rng.integers(len(_SPANS)))]))
    item = world.SceneObject(_pick(world.SHAPES, rng), _pick(tuple(world.COLOURS), rng), span, 0.5, 0.5)
    if rng.random() < 0.5:
        x, y = rng.uniform(span / 2 + _MARGIN, 1 - span / 2 - _MARGIN, 2)
        return replace(item, x=float(x), y=float(y))
    placed = moved(item, _pick(world.POSITIONS, rng))
    dx, dy = rng.uniform(-0.02, 0.02, 2)
    return replace(placed, x=placed.x + float(dx), y=placed.y + float(dy))


def edited(scene: world.Scene, instruction: Instruction) -> world.Scene:
    """Return the scene after an instruction."""
    (item,) = scene.objects
    if instruction.colour:
        item = replace(item, colour=instruction.colour)
    if instruction.position:
        item = moved(item, instruction.position)
    return replace(scene, objects=(item,))


def moved(item: world.SceneObject, position: str) -> world.SceneObject:
    """Return the object at a named place."""
    offset = max(_LEAST_OFFSET, (1 - item.span) / 2 * _OFFSET)
    dx, dy = _AXES[position]
    return replace(item, x=0.5 + dx * offset, y=0.5 + dy * offset)


def draw_edit(edit: Edit, rng: np.random.Generator) -> tuple[world.Pixels, world.Pixels]:
    """Draw both pictures of an edit, RGB `[64, 64, 3]`.

    Half of the pictures before the edit have soft edges, noise and changed colours. The picture after it has
    the same background and, unless it is recoloured, the same colour of the object, and no noise.
    """
    jitter = rng.uniform(-_JITTER, _JITTER, (2, 3)) * (rng.random() < 0.5)
    is_rough = rng.random() < 0.5
    softness, noise = rng.uniform(0, _SOFTNESS) * is_rough, rng.uniform(0, _NOISE) * is_rough
    ground = np.array(world.BACKGROUNDS[edit.before.background]) + jitter[0]
    kept = np.array(world.COLOURS[edit.before.objects[0].colour]) + jitter[1]
    colour = edit.instruction.colour
    wanted = np.array(world.COLOURS[colour], np.float64) if colour else kept
    before = _filled(edit.before, ground, kept, softness)
    before = before + noise * rng.standard_normal(before.shape)
    return _pixels(before), _pixels(_filled(edit.after, ground, wanted, 0.0))


def _filled(scene: world.Scene, ground: world.Floats, colour: world.Floats, softness: float) -> world.Floats:
    share = world.coverage(scene.objects[0], CANVAS, softness)[..., None].astype(np.float64)
    filled: world.Floats = ground * (1 - share) + colour * share
    return filled


def _pixels(picture: world.Floats) -> world.Pixels:
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _pick(names: tuple[str, ...], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]


def words() -> list[str]:
    """Return all English words of instructions, each once."""
    texts = [text for one in instructions() for text in (english(one), *phrases(one))]
    return sorted({word for text in texts for word in re.findall("[a-z]+", text)})


def terms() -> list[str]:
    """Return all Chinese terms of instructions, each once."""
    glue = re.findall(r"[\u4e00-\u9fff]+", " ".join((*_CHINESE_COLOUR, *_CHINESE_PLACE, "把它变成 把它移到")))
    names = [CHINESE[name] for name in (*world.COLOURS, *world.POSITIONS)]
    return list(dict.fromkeys((*glue, *names)))
