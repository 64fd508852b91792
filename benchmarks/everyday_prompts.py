"""How the pocket model understands prompts as people write them: `python -m benchmarks.everyday_prompts`.

The prompts are in `everyday_prompts.toml`. A prompt that the pocket world can show is painted from several
seeds, and the pixel judge compares the pictures with the prompt's meaning. A prompt that it cannot show must
have a word that is unknown to the tokenizer, because results warn of such words.
"""

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path

import torch
from brushwork_workers.pocket import WEIGHTS
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from transformers import PreTrainedTokenizerBase

from benchmarks.pocket_paintings import Painting, paint
from recipes.pocket.scenes.grammar import parse
from tests.pixel_judge import all_right, judge

PROMPTS = Path(__file__).with_suffix(".toml")
PAINTING = Painting("pocket-diffusion", 12, 2.0)


@dataclass(frozen=True)
class EverydayPrompt:
    """A prompt outside of the grammar.

    Args:
        prompt: What a person wrote.
        means: The prompt of the grammar with the same meaning, or None if the pocket world cannot show it.
    """

    prompt: str
    means: str | None = None


def everyday_prompts(file: Path = PROMPTS) -> dict[str, list[EverydayPrompt]]:
    """Return the prompts of each language."""
    tables = tomllib.loads(file.read_text("utf-8"))
    return {language: [EverydayPrompt(**row) for row in rows] for language, rows in tables.items()}


def num_right(pipeline: StableDiffusionPipeline, prompts: list[EverydayPrompt], seed: int) -> list[bool]:
    """Paint one picture of each prompt and judge whether it shows what the prompt means."""
    pictures = paint(pipeline, [prompt.prompt for prompt in prompts], PAINTING, seed)
    wanted = [parse(prompt.means or "") for prompt in prompts]
    return [
        meaning is not None and all_right(judge(picture, meaning))
        for picture, meaning in zip(pictures, wanted, strict=True)
    ]


def has_unknown_word(tokenizer: PreTrainedTokenizerBase, prompt: str) -> bool:
    """Whether a word of the prompt is unknown to the tokenizer."""
    return tokenizer.unk_token_id in tokenizer(prompt)["input_ids"]


def main() -> None:
    """Print the shares of both languages and every prompt that was not understood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2026, 2027])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--prompts", type=Path, default=PROMPTS)
    options = parser.parse_args()
    torch.set_num_threads(2)
    pipeline = StableDiffusionPipeline.from_pretrained(options.weights / PAINTING.model)
    pipeline.set_progress_bar_config(disable=True)
    for language, prompts in everyday_prompts(options.prompts).items():
        shown = [prompt for prompt in prompts if prompt.means]
        others = [prompt for prompt in prompts if not prompt.means]
        right = [num_right(pipeline, shown, seed) for seed in options.seeds]
        warned = [has_unknown_word(pipeline.tokenizer, prompt.prompt) for prompt in others]
        total = sum(map(sum, right))
        print(f"{language}: {total} of {len(shown) * len(right)} pictures right ({len(shown)} prompts)")
        print(f"{language}: {sum(warned)} of {len(others)} other prompts have an unknown word")
        for number, prompt in enumerate(shown):
            if wrong := sum(not row[number] for row in right):
                print(f"  {wrong} wrong: {prompt.prompt}")
        for prompt, is_warned in zip(others, warned, strict=True):
            if not is_warned:
                print(f"  no warning: {prompt.prompt}")


if __name__ == "__main__":
    main()
