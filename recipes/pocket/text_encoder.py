"""The text encoder: a small CLIP text model, trained first on its own to read attributes off prompts.

The attributes are read linearly off the mean of its last hidden states, which is what the denoiser's pooled
text embedding sees, and are told from the left or upper object, so that it has to resolve relations.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from recipes.pocket import checkpoint, gang
from recipes.pocket.device import device, half_products, placed
from recipes.pocket.grammar import Description, chinese, english, mirrored, sample_test, sample_training
from recipes.pocket.samples import ATTRIBUTES, attribute_labels
from recipes.pocket.tokenizer import MAX_TOKENS, build_tokenizer
from recipes.pocket.training import Loop, Plan, TimeBudget

WIDTH = 192
_BATCH = 96
_STATE = "text_encoder_state"


def build(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """An untrained text encoder for the tokenizer's vocabulary."""
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


def tell(description: Description, rng: np.random.Generator) -> str:
    """A prompt for a description: a language, a telling and small slips of style by chance."""
    told = mirrored(description) if rng.random() < 0.5 else description
    if rng.random() < 0.5:
        return chinese(told)
    text = english(told)
    if rng.random() < 0.3:
        text = text.replace("a orange", "an orange")
    return text[2:] if rng.random() < 0.03 else text


def encode(tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> torch.Tensor:
    """Token ids `[n, 20]`, padded as the pipeline pads them."""
    ids = tokenizer(prompts, padding="max_length", max_length=MAX_TOKENS, truncation=True)
    return torch.tensor(ids["input_ids"])


class AttributeHeads(nn.Module):
    """Linear classifiers of the attributes on the mean hidden state; thrown away after training."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(WIDTH, n) for n in ATTRIBUTES.values())

    def forward(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        """Logits `[n, classes]` of each attribute from hidden states `[n, 20, width]`."""
        mean = hidden.mean(1)
        return [head(mean) for head in self.heads]


def _modules(tokenizer: PreTrainedTokenizerFast) -> dict[str, nn.Module]:
    return {"text": placed(build(tokenizer)), "heads": placed(AttributeHeads())}


def train(out: Path, budget: TimeBudget) -> bool:
    """Trains the text encoder into `out / "text_encoder"` and its tokenizer beside it."""
    tokenizer = build_tokenizer()
    loop = Loop(_modules(tokenizer), Plan(budget, 1e-3, hold=0.4), out / _STATE)
    model, heads = loop.modules["text"], loop.modules["heads"]
    rng = np.random.default_rng((31 + loop.step, gang.place()))

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        described = [sample_training(1 + int(rng.random() < 0.6), rng)[1] for _ in range(_BATCH)]
        labels = torch.tensor([attribute_labels(d) for d in described]).to(device())
        ids = encode(tokenizer, [tell(d, rng) for d in described]).to(device())
        with half_products():
            hidden = model(input_ids=ids).last_hidden_state
        logits = heads(hidden.float())
        losses = [functional.cross_entropy(x, labels[:, i]) for i, x in enumerate(logits)]
        total = torch.stack(losses).mean()
        return total, _BATCH, {"loss": total.item()}

    finished = loop.run(loss)
    if gang.place() == 0:
        assert isinstance(model, CLIPTextModel)  # noqa: S101 - for the type checker
        model.eval().save_pretrained(out / "text_encoder")
        tokenizer.save_pretrained(out / "tokenizer")
    return finished


@torch.no_grad()
def accuracy(out: Path, count: int = 2000) -> float:
    """Share of fresh held-out prompts that the text encoder trained into `out` reads in full."""
    tokenizer = build_tokenizer()
    modules, state = _modules(tokenizer), checkpoint.load(out / _STATE)
    if state is None:
        raise FileNotFoundError(f"{out / _STATE}: no text encoder was trained here")
    for name, module in modules.items():
        module.load_state_dict(state["modules"][name])
    rng = np.random.default_rng(977)
    described = [sample_test(1 + i % 2, rng) for i in range(count)]
    labels = torch.tensor([attribute_labels(d) for d in described])
    ids = encode(tokenizer, [tell(d, rng) for d in described]).to(device())
    hidden = modules["text"].eval()(input_ids=ids).last_hidden_state
    read = torch.stack([x.argmax(1) for x in modules["heads"](hidden)], dim=1)
    return float((read.cpu() == labels).all(1).float().mean())
