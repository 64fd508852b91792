"""A small CLIP text model for a grammar of its own, trained first to predict the attributes of its prompts.

The word-level tokenizer knows the English words and the Chinese terms of the grammar. Any other word becomes
the unknown token. Linear classifiers read the attributes from the mean of the last hidden states.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from recipes.pocket.texts.tokenizer import END, START, UNKNOWN
from recipes.pocket.training import process_group
from recipes.pocket.training.device import device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

WIDTH = 64
MAX_TOKENS = 16
_BATCH = 128
_WORD = r"[\u4e00-\u9fff]|(?:(?![\u4e00-\u9fff])\p{L})+|[0-9]+|\p{So}"


@dataclass(frozen=True)
class Grammar:
    """What a text encoder must read.

    Args:
        words: The English words.
        terms: The Chinese terms.
        attributes: The number of classes of each attribute.
        sample: Returns a random training prompt and its classes, in the order of `attributes`.
    """

    words: list[str]
    terms: list[str]
    attributes: Mapping[str, int]
    sample: Callable[[np.random.Generator], tuple[str, list[int]]]


def build_tokenizer(grammar: Grammar) -> PreTrainedTokenizerFast:
    """Build the tokenizer of a grammar. With padding to `max_length` it adds end tokens up to 16."""
    tokens = [START, END, UNKNOWN, *grammar.words, *grammar.terms]
    inner = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token=UNKNOWN))
    spaces = normalizers.Replace(Regex(r"(?<=[\u4e00-\u9fff]) +(?=[\u4e00-\u9fff])"), "")
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), spaces])
    longest_first = "|".join(sorted(grammar.terms, key=len, reverse=True))
    pattern = Regex(f"{longest_first}|{_WORD}")
    inner.pre_tokenizer = pre_tokenizers.Split(pattern, behavior="removed", invert=True)
    inner.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, inner.token_to_id(token)) for token in (START, END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        unk_token=UNKNOWN,
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )


def build(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """Build an untrained text encoder for the vocabulary of a tokenizer."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def encode(tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> torch.Tensor:
    """Return token ids `[n, 16]`, padded like in the pipeline."""
    ids = tokenizer(prompts, padding="max_length", max_length=MAX_TOKENS, truncation=True)
    return torch.tensor(ids["input_ids"])


class _Heads(nn.Module):
    def __init__(self, attributes: Mapping[str, int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(WIDTH, n) for n in attributes.values())

    def forward(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        mean = hidden.mean(1)
        return [head(mean) for head in self.heads]


def train(grammar: Grammar, out: Path, name: str, budget: TimeBudget) -> bool:
    """Train a text encoder. Save `NAME` and its tokenizer `NAME_tokenizer` in `out`."""
    tokenizer = build_tokenizer(grammar)
    modules = {"text": on_device(build(tokenizer)), "heads": on_device(_Heads(grammar.attributes))}
    loop = Loop(modules, Plan(budget, 2e-3, hold=0.4), out / f"{name}_state")
    rng = np.random.default_rng((71 + loop.step, process_group.rank()))

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        samples = [grammar.sample(rng) for _ in range(_BATCH)]
        labels = torch.tensor([classes for _, classes in samples]).to(device())
        ids = encode(tokenizer, [prompt for prompt, _ in samples]).to(device())
        logits = modules["heads"](modules["text"](input_ids=ids).last_hidden_state)
        losses = [functional.cross_entropy(x, labels[:, i]) for i, x in enumerate(logits)]
        total = torch.stack(losses).mean()
        read = torch.stack([x.argmax(1) for x in logits], dim=1)
        return total, _BATCH, {"loss": total.item(), "read": (read == labels).all(1).float().mean().item()}

    finished = loop.run(loss)
    if process_group.rank() == 0:
        text = modules["text"]
        assert isinstance(text, CLIPTextModel)  # noqa: S101 - for the type checker
        text.eval().save_pretrained(out / name)
        tokenizer.save_pretrained(out / f"{name}_tokenizer")
    return finished
