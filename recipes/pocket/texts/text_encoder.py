"""The text encoder: a small CLIP text model, trained first and separately to predict attributes from prompts.

Linear classifiers predict the attributes from the mean of the last hidden states, which is also the input of
the pooled text embedding of the denoiser. Labels start with the left or upper object, so the encoder must
resolve relations.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from recipes.pocket.scenes.grammar import (
    Description,
    chinese,
    english,
    mirrored,
    sample_test,
    sample_training,
)
from recipes.pocket.scenes.samples import ATTRIBUTES, attribute_labels
from recipes.pocket.texts.tokenizer import MAX_TOKENS, build_tokenizer
from recipes.pocket.training import checkpoint, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

WIDTH = 192
_BATCH = 96
_STATE = "text_encoder_state"


def build(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """Build an untrained text encoder for the vocabulary of a tokenizer."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=6,
        max_position_embeddings=MAX_TOKENS,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def prompt_for(description: Description, rng: np.random.Generator) -> str:
    """Return a prompt for a description, with random language, object order and small variations of style."""
    described = mirrored(description) if rng.random() < 0.5 else description
    if rng.random() < 0.5:
        return chinese(described)
    text = english(described)
    return text.partition(" ")[2] if rng.random() < 0.03 else text


def encode(tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> torch.Tensor:
    """Return token ids `[n, 20]`, padded like in the pipeline."""
    ids = tokenizer(prompts, padding="max_length", max_length=MAX_TOKENS, truncation=True)
    return torch.tensor(ids["input_ids"])


class AttributeHeads(nn.Module):
    """Linear classifiers of the attributes on the mean hidden state, discarded after training."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(WIDTH, n) for n in ATTRIBUTES.values())

    def forward(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        """Return the logits `[n, classes]` of each attribute from hidden states `[n, 20, width]`."""
        mean = hidden.mean(1)
        return [head(mean) for head in self.heads]


def _modules(tokenizer: PreTrainedTokenizerFast) -> dict[str, nn.Module]:
    return {"text": on_device(build(tokenizer)), "heads": on_device(AttributeHeads())}


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the text encoder. Save it to `out / "text_encoder"` and its tokenizer to `out / "tokenizer"`."""
    tokenizer = build_tokenizer()
    loop = Loop(_modules(tokenizer), Plan(budget, 1e-3, hold=0.4), out / _STATE)
    model, heads = loop.modules["text"], loop.modules["heads"]
    rng = np.random.default_rng((31 + loop.step, process_group.rank()))

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        described = [sample_training(1 + int(rng.random() < 0.6), rng)[1] for _ in range(_BATCH)]
        labels = torch.tensor([attribute_labels(d) for d in described]).to(device())
        ids = encode(tokenizer, [prompt_for(d, rng) for d in described]).to(device())
        with bfloat16_autocast():
            hidden = model(input_ids=ids).last_hidden_state
        logits = heads(hidden.float())
        losses = [functional.cross_entropy(x, labels[:, i]) for i, x in enumerate(logits)]
        total = torch.stack(losses).mean()
        return total, _BATCH, {"loss": total.item()}

    finished = loop.run(loss)
    if process_group.rank() == 0:
        assert isinstance(model, CLIPTextModel)  # noqa: S101 - for the type checker
        model.eval().save_pretrained(out / "text_encoder")
        tokenizer.save_pretrained(out / "tokenizer")
    return finished


@torch.no_grad()
def accuracy(out: Path, count: int = 2000) -> float:
    """Return the share of new held-out prompts of which the text encoder in `out` predicts all attributes."""
    tokenizer = build_tokenizer()
    modules, state = _modules(tokenizer), checkpoint.load(out / _STATE)
    if state is None:
        raise FileNotFoundError(f"{out / _STATE} does not exist: train the text encoder first.")
    for name, module in modules.items():
        module.load_state_dict(state["modules"][name])
    rng = np.random.default_rng(977)
    described = [sample_test(1 + i % 2, rng) for i in range(count)]
    labels = torch.tensor([attribute_labels(d) for d in described])
    ids = encode(tokenizer, [prompt_for(d, rng) for d in described]).to(device())
    hidden = modules["text"].eval()(input_ids=ids).last_hidden_state
    read = torch.stack([x.argmax(1) for x in modules["heads"](hidden)], dim=1)
    return float((read.cpu() == labels).all(1).float().mean())
