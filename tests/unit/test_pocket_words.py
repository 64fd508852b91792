"""What the tokenizer of the pocket model makes of the words of people."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from brushwork.demo.prompts import PROMPTS
from brushwork_schemas.kinds.registry import kind_named
from brushwork_workers.pocket import WEIGHTS
from tokenizers import Tokenizer

from benchmarks.everyday_prompts import EverydayPrompt, everyday_prompts
from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import Description, chinese, english, parse
from recipes.pocket.texts.tokenizer import END, START, UNKNOWN, build_tokenizer

ROOT = Path(__file__).parents[2]
EVERYDAY = [prompt for prompts in everyday_prompts().values() for prompt in prompts]


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(WEIGHTS / "pocket-diffusion" / "tokenizer" / "tokenizer.json"))


def tokens(prompt: str) -> list[str]:
    return [token for token in tokenizer().encode(prompt).tokens if token not in (START, END)]


def test_the_shipped_rules_are_those_of_the_recipe() -> None:
    built = build_tokenizer().backend_tokenizer
    assert built.normalizer.__getstate__() == tokenizer().normalizer.__getstate__()
    assert built.pre_tokenizer.__getstate__() == tokenizer().pre_tokenizer.__getstate__()
    assert built.get_vocab() == tokenizer().get_vocab()


@pytest.mark.parametrize("prompt", EVERYDAY, ids=lambda prompt: prompt.prompt)
def test_everyday_prompts_mean_what_they_say(prompt: EverydayPrompt) -> None:
    if prompt.means is None:
        assert UNKNOWN in tokens(prompt.prompt)
    else:
        assert parse(prompt.means) is not None
        assert tokens(prompt.prompt) == tokens(prompt.means)


def _descriptions() -> Iterator[Description]:
    grounds = (None, *world.BACKGROUNDS)
    ones = product(world.COLOURS, world.SHAPES, grounds, (None, *world.SIZES), (None, *world.POSITIONS))
    for colour, shape, ground, size, position in ones:
        yield Description(((colour, shape),), ground, size, position)
    pairs = list(zip(world.COLOURS, world.SHAPES, strict=True))
    for first, second, relation, ground in product(pairs, pairs, world.RELATIONS, grounds):
        yield Description((first, second), ground, relation=relation)


def test_rules_change_no_prompt_of_the_grammar() -> None:
    terms = sorted((term for term in tokenizer().get_vocab() if not term.isascii()), key=len, reverse=True)
    words = re.compile("|".join([*terms, "[a-z]+"]))
    for description in _descriptions():
        for prompt in (english(description), chinese(description)):
            one_article = prompt.replace("an orange", "a orange")
            assert tokens(prompt) == words.findall(one_article), prompt


def _offered() -> Iterator[str]:
    """Every prompt that a page, the demonstration or an example request offers for a pocket model."""
    for language in ("en", "zh"):
        words = tomllib.loads((ROOT / f"producer/brushwork/page/words/{language}.toml").read_text("utf-8"))
        yield from (text for name, text in words["home"].items() if name.startswith("example_"))
    yield from (prompt.text for prompt in PROMPTS)
    yield kind_named("text-to-image").example["prompt"]
    for page in ("README.md", "README.zh.md"):
        for prompt in re.findall(r'prompt[=:"\s]+f?"([^"]+)"', (ROOT / page).read_text("utf-8")):
            yield re.sub(r"\{colour\}", "红色" if not prompt.isascii() else "red", prompt)


@pytest.mark.parametrize("prompt", sorted(set(_offered())))
def test_offered_prompts_are_inside_the_grammar(prompt: str) -> None:
    assert parse(prompt) is not None


def test_a_stranger_language_is_unknown_and_not_dropped() -> None:
    for prompt in ("красный круг", "赤い円", "🔴", "café"):
        assert UNKNOWN in tokens(prompt), prompt
