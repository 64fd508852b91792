"""Random weights hardly listen to the prompt; a test would not notice if prompts were mixed up."""

import torch
from torch import nn

LOUDER = 10.0


def listening(transformer: nn.Module) -> None:
    """Make what a transformer takes from text many times as strong."""
    with torch.no_grad():
        for name, weight in transformer.named_parameters():
            if any(
                part in name for part in ("caption", "txt_", "add_k", "add_v", "add_q", "to_add", "attn2")
            ):
                weight *= LOUDER
